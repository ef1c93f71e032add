# What one types; `infra/local/` does it. Everything is installed into ignored folders.

PYTHON ?= python3
LOCAL = @command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or later, or name it: make PYTHON=…"; exit 1; }; \
	exec $(PYTHON) infra/local/run.py
REQUIRE_MODEL = @test -n "$(MODEL)" || { echo "error: which model? make $@ MODEL=fraud-detection"; exit 2; }

.DEFAULT_GOAL := help
.PHONY: help run test build watch invoke train zoo bench layout fuzz miri fmt clean

help: ## list what there is
	@echo "usage: make TARGET [NAME=VALUE …]"; echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## deploy everything on a local AWS, try it, stay up until Ctrl-C [ONCE=1 to end then] [PORT=4566]
	$(LOCAL) up $(if $(PORT),--port $(PORT)) $(if $(ONCE),--once)

test: ## run every check and test, then print one summary
	$(LOCAL) test

build: ## build the functions and the sardonyx command for this machine
	$(LOCAL) build

watch: ## run one function, rebuilt on change, on the local AWS of `make run`: MODEL=fraud-detection
	$(REQUIRE_MODEL)
	$(LOCAL) watch $(MODEL)

invoke: ## send an event to the function of `make watch`: MODEL=fraud-detection EVENT=events/….json
	$(REQUIRE_MODEL)
	@test -n "$(EVENT)" || { echo "error: which event? make $@ MODEL=$(MODEL) EVENT=events/….json"; exit 2; }
	$(LOCAL) invoke $(MODEL) $(EVENT)

train: ## train a model anew and write its artifact, manifest and samples: MODEL=fraud-detection
	$(REQUIRE_MODEL)
	$(LOCAL) train $(MODEL)

bench: ## time Sardonyx and its peers: [SUITE=trees] [CASE=xgb] [BATCH=256] [SUBJECT=sardonyx] [ROUNDS=9] [PROFILE=shipping] [RECORD=1]
	$(LOCAL) bench $(if $(SUITE),--suite $(SUITE)) $(if $(PROFILE),--profile $(PROFILE)) $(if $(RECORD),--record) -- \
		$(if $(CASE),--case $(CASE)) $(if $(BATCH),--batch $(BATCH)) $(if $(SUBJECT),--subject $(SUBJECT)) $(if $(ROUNDS),--rounds $(ROUNDS))

zoo: ## make the models of tests/zoo anew, run them, write what is covered [NETWORKS=1: with PyTorch's nets]
	$(LOCAL) zoo $(if $(NETWORKS),--networks)

layout: ## find which functions of a binary a start runs, for the linker to put together (valgrind; half an hour the first time)
	$(LOCAL) layout

fuzz: ## search for inputs that models, packed files or the tree kernels fail on: [TARGET=trees] [SECONDS=60]
	$(LOCAL) fuzz $(if $(TARGET),--target $(TARGET)) $(if $(SECONDS),--seconds $(SECONDS))

miri: ## run the tests of the tree engine under Miri, which sees undefined behaviour (a quarter of an hour)
	$(LOCAL) miri

fmt: ## format the Rust and TypeScript code
	cargo fmt --all
	cargo fmt --manifest-path shared/sardonyx-onnx/fuzz/Cargo.toml
	cd infra && npm run format

clean: ## remove what was built and installed
	rm -rf target .tools infra/node_modules infra/cdk.out
