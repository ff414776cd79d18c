# Ratchet's targets. `make help` lists them; CI runs the same commands.
GO      ?= go
BIN     := bin/ratchet
PREFIX  ?= $(HOME)/.local
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 20s

.PHONY: help build test race lint fuzz bench demo install crash clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

build: ## build bin/ratchet
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/ratchet

test: ## run the whole suite
	$(GO) vet ./...
	$(GO) test ./...

race: ## run the suite under the race detector
	$(GO) test -race ./...

lint: ## gofmt, vet for every platform, staticcheck
	@test -z "$$(gofmt -l cmd internal ledger sandbox server tools prompts examples)" || { gofmt -l cmd internal ledger sandbox server tools prompts examples; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

fuzz: ## fuzz the parsers for FUZZTIME each
	$(GO) test ./internal/research -run '^$$' -fuzz FuzzParseProgram -fuzztime $(FUZZTIME)
	$(GO) test ./internal/research -run '^$$' -fuzz FuzzScanner -fuzztime $(FUZZTIME)

bench: build ## fixed cost of an experiment cycle against the plain shell, start-up, ledger
	$(GO) test ./cmd/ratchet -run '^TestCycleCost$$' -v -count 1 -cycle 30
	$(GO) test ./sandbox ./ledger -run '^$$' -bench 'Start|Append|CampaignRead|Stamp' -benchtime 200x

crash: ## the long form of the kill -9 tests
	$(GO) test ./cmd/ratchet -run 'TestKill' -count 1 -v -kills 200

demo: build ## drive a whole campaign through the real binary with a scripted agent
	./$(BIN) demo

install: build ## install into PREFIX/bin
	install -D -m 0755 $(BIN) $(PREFIX)/bin/ratchet

clean: ## remove what was built
	rm -rf bin dist
