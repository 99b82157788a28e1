"""Trains a model, with progress, checkpoints and automatic resume.

python -m launch.train --config=configs/bi_enc_50.py --workdir=runs/bi_enc_50
python -m launch.train --config=configs/bi_enc_50.py --workdir=runs/small --config.model.hidden=256
python -m launch.train --config=configs/bi_enc_50.py --workdir=runs/bi_enc_50 --tensorboard
"""

from motion_jax.commands import cli, train

if __name__ == "__main__":
    cli.run(train.main)
