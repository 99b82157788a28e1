"""Predicts what comes after a recorded motion. Of the file's frames the model reads the last, or those from --start.

python -m launch.predict --workdir=runs/own --input=walk.bvh --output=walk_future.bvh
python -m launch.predict --workdir=runs/own --input='recordings/*.bvh' --output=predicted --action=walking
python -m launch.predict --workdir=runs/own --input=a.bvh,b.bvh --output=predicted --action=walking,eating
python -m launch.predict --workdir=runs/bi_enc_50 --input=walking_1.txt --output=next.npz --start=200

Motion files (.bvh .amc .htr .bva, and .npz that convert wrote) may have any rate, which is that of what is written.
Rows (.txt .npy .npz) have the data set's own columns and frame rate and are down-sampled as in training; what is
written has the model's rate.
"""

from motion_jax.commands import cli, predict

if __name__ == "__main__":
    cli.run(predict.main)
