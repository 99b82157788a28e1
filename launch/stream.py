"""Feeds a motion file to a model in real time, as if it were live, and prints how long the predictions took.

python -m launch.stream --workdir=runs/bi_enc_50 --input=walk.bvh
python -m launch.stream --workdir=runs/bi_enc_50 --input=walking_1.txt --rate=25 --seconds=600 --action=walking
python -m launch.stream --workdir=runs/bi_enc_50 --input=walk.bvh --rate=50 --jitter_ms=5 --drop=0.02

The motion keeps its speed at any rate. Where it ends, it runs back to its beginning, and again.
"""

from motion_jax.commands import cli, stream

if __name__ == "__main__":
    cli.run(stream.main)
