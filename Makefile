# The two commands that the README promises. Each does all of its own set-up.
.PHONY: demo test

# Every suite, from a clean clone; see xtask/src/ci.
test:
	cargo run --quiet --package xtask -- ci

# A network of four validators with real traffic, and nothing left afterwards; see scripts/demo.
demo:
	@node scripts/demo/demo.mjs
