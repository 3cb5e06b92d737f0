# The two commands that the README promises. Each does all of its own set-up.
.PHONY: demo test

# Every suite, from a clean clone; see xtask/src/ci.
test:
	cargo run --quiet --package xtask -- ci
