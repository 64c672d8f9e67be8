# Short names for what CONTRIBUTING.md describes. `just --list` shows them.

# All tests, as CI runs them
test:
    ./test

# The README's job on its sample
demo:
    cargo run --release -- nccl-timeout sample-logs/rank-exception/1024-ranks-one-raises/logs

# Playbooks: wording, cases, mutants
playbooks:
    cargo run -q -- playbook check
    cargo run -q -- playbook test --mutate

# Speed and memory, as ratios to wc, cat and ripgrep
bench:
    cargo bench

# Licences, sources and advisories (cargo install cargo-deny --locked)
deny:
    cargo deny check

# The picture of the README: the report of its sample, as a terminal shows it
screenshot:
    -COLUMNS=90 cargo run -q -- nccl-timeout --color always sample-logs/rank-exception/1024-ranks-one-raises/logs | docs/screenshot > docs/report.svg
