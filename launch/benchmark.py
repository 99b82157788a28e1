"""Times training steps and predictions, beside peers in the same interleaved run if asked.

python -m launch.benchmark --work=train,infer --batch=16,128 --hidden=256 --json=bench.json --markdown=bench.md
python -m launch.benchmark --threads=1 --peer=torch,torch_compile,flax,plain      (one thread on either side)
python -m launch.benchmark --batch=1,16,128,1024 --precision=float32,tf32,bf16 --plot=pictures
"""

from motion_jax.commands import benchmark, cli

if __name__ == "__main__":
    cli.run(benchmark.main, keep=False)
