"""Predicts what comes after a recorded motion. Of the file's frames the model reads the last, or those from --start.

python -m launch.predict --workdir=runs/bi_enc_50 --input=walking_1.txt --output=next.txt --action=walking
python -m launch.predict --workdir=runs/bi_enc_50 --input=walking_1.txt --output=next.npz --start=200
python -m launch.predict --workdir=runs/bi_enc_50 --input=a.txt,b.txt --output=predicted --action=walking,eating
python -m launch.predict --workdir=runs/own --input=walk.bvh --output=walk_future.bvh

Rows (.txt, .npy, .npz) have the data set's own columns and frame rate and are down-sampled as in training; what is
written has the model's rate. Motion files (.bvh .amc .htr .bva) may have any rate, which is that of what is written.
"""

from motion_jax.commands import cli, predict

if __name__ == "__main__":
    cli.run(predict.main)
