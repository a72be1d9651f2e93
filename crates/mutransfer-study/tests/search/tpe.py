"""Optuna's TPE from the same start: a line with a point goes out, its loss comes in."""

import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
problems, axes, runs = (int(word) for word in sys.argv[1:])
names = [f"axis {axis}" for axis in range(axes)]
for problem in range(problems):
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=problem))
    study.enqueue_trial({name: 0.0 for name in names})
    for _ in range(runs):
        trial = study.ask()
        print(*(trial.suggest_float(name, -3.0, 3.0) for name in names), flush=True)
        study.tell(trial, float(sys.stdin.readline()))
