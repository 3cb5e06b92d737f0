# The two commands that the README promises. Each does all of its own set-up.
.PHONY: demo simulate test

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

# A network of four validators with real traffic, and nothing left afterwards; see scripts/demo.
demo:
	@node scripts/demo/demo.mjs
