# The two commands that the README promises. Each does all of its own set-up.
.PHONY: demo model simulate test

# Every suite, from a clean clone; see xtask/src/ci.
test:
	cargo run --quiet --package xtask -- ci

# Storms over simulated networks of real validators, such as `make simulate SEEDS=1000..2000`, or one,
# `make simulate SEED=42`; see docs/simulation.md.
ifdef SEED
export SEEDS := $(SEED)..$(shell expr $(SEED) + 1)
endif
simulate:
	cargo test --workspace --lib -- --nocapture consensus::tests::storm

# Random sequences of verbs, crashes and faults over the control plane and a reference model, such as
# `make model SEQUENCES=10000..60000`, or one, `make model SEQUENCES=42..43`; see docs/model-test.md.
model:
	cargo test --workspace --test control -- --nocapture model::the_platform

# A network of four validators with real traffic, and nothing left afterwards; see scripts/demo.
demo:
	@node scripts/demo/demo.mjs
