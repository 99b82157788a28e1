"""Shows what models predict: one HTML page that opens from disk, pictures, animations, and curves for a paper.

python -m launch.visualize --workdir=runs/bi_enc_50,runs/uni_enc_50 --output=page.html
python -m launch.visualize --workdir=runs/bi_enc_50 --action=walking --window=3 --png=strip.png --gif=walking.gif
python -m launch.visualize --workdir=runs --attention=attention.pdf --curves=errors.pdf --training=training.pdf

Zero-velocity is always among the models. The page shows --windows of each action, pictures and animations the first.
"""

from motion_jax.commands import cli, visualize

if __name__ == "__main__":
    cli.run(visualize.main)
