"""Writes a trained model as files that other programs open: raw frames in, raw frames out, normalisation inside.

python -m launch.export --workdir=runs/bi_enc_50 --output=exported
python -m launch.export --workdir=runs/bi_enc_50 --output=exported --format=stablehlo,onnx
python -m launch.export --workdir=runs/bi_enc_50 --output=exported --platforms=cpu --nocheck

Each file is opened in a fresh process without this package and compared with the original; the folder appears complete
or not at all.
"""

from motion_jax.commands import cli, export

if __name__ == "__main__":
    cli.run(export.main)
