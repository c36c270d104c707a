# What can be done with this repository. `make` alone lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
# Inputs a target, not seconds: before Go 1.27 a time can end in a failure without a finding (go.dev/issue/75804).
FUZZTIME ?= 100000x
PACKAGES ?= ./...
BENCH    ?= .
# All tests run with the race detector, which looks at Go's memory. SQLite and its libc, C that a machine made into Go, work on
# memory that they map for themselves, and password hashes on what no other goroutine has: to tell the detector of all that
# was a quarter of the time that tests with people in SQLite took, and more than half of those of package passhash. What calls
# them, and all else, is looked at.
UNRACED  := modernc.org/libc/... modernc.org/memory modernc.org/sqlite/lib \
            $(addprefix golang.org/x/crypto/,argon2 blake2b blowfish scrypt)
RACE     := -race $(foreach p,$(UNRACED),-gcflags=$(p)=-race=false)
# Tests wait for servers and browsers a good part of their time: one package more than there are cores uses it.
AT_ONCE  := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
# How much make torture does, over all code stores; test/torture says what each is.
GUESSES   ?= 1000000
RACES     ?= 10000
FAULTS    ?= 200
HISTORIES ?= 2000

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  PACKAGES=./web  another part than everything (test, test-all, bench, fuzz)'
	@echo '  FUZZTIME=1000x  how many inputs each fuzz target gets (fuzz, test-all)'
	@echo '  BENCH=Check     which benchmarks run'
	@echo '  GUESSES=100000  how much there is of it; so RACES, FAULTS and HISTORIES (torture)'
	@echo '  CI=true         a missing tool is a failure, not a skip (test, test-all)'

.PHONY: build
build: ## the binary, in bin/rekey; no cgo, no paths of this machine
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/rekey ./cmd/rekey

.PHONY: run
run: ## the demo: page, inbox and three people, on loopback, until ^C
	$(GO) run ./cmd/rekey demo

.PHONY: tools
tools: ## what the tests need beside Go: compiler, browser, database servers, frameworks; installed where it may be
	@scripts/test-tools

.PHONY: test
test: tools ## all tests with the race detector, those in the browser included
	$(GO) test -p $(AT_ONCE) $(RACE) -timeout 25m $(PACKAGES)

.PHONY: test-all
test-all: tools ## every test in every place, three times in random order, then every fuzz target with ten times the inputs
	REKEY_TEST_ALL=1 $(GO) test $(RACE) -count 3 -shuffle on -timeout 45m $(PACKAGES)
	$(MAKE) fuzz FUZZTIME=$(if $(filter-out file,$(origin FUZZTIME)),$(FUZZTIME),1000000x)

.PHONY: torture
torture: tools ## guesses, races, faults and histories by the thousand; says how many broke a promise, which must be none
	REKEY_TEST_GUESSES=$(GUESSES) REKEY_TEST_RACES=$(RACES) REKEY_TEST_FAULTS=$(FAULTS) REKEY_TEST_HISTORIES=$(HISTORIES) \
		$(GO) test -count 1 -v -parallel 1 -timeout 180m ./test/torture

.PHONY: fuzz
fuzz: ## every fuzz target, one after the other
	scripts/fuzz $(FUZZTIME) $(PACKAGES)

.PHONY: bench
bench: ## all benchmarks; what they said last is in docs/performance.md
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m $(PACKAGES)

.PHONY: lint
lint: ## gofmt, vet, staticcheck, and go.mod as go mod tidy would have it
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "gofmt -w would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
