# Ratchet's targets. `make help` lists them; CI runs the same commands.
GO      ?= go
BIN     := bin/ratchet
MAN     := dist/man
PREFIX  ?= $(HOME)/.local
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
DATE    := $(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# The newest that Go 1.26 compiles from what the module proxy has.
GORELEASER := github.com/goreleaser/goreleaser/v2@v2.15.1
RELEASE := dist/release
FROM_COMMIT = COMMIT=$(COMMIT) COMMIT_DATE=$(DATE) COMMIT_TIME=$$(git log -1 --format=%ct) SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) DIRTY=$(findstring -dirty,$(VERSION))
COMPLETIONS := dist/completions
# The account that publishes; a trial has none.
OWNER ?=
# The absolute path of the MCP registry's server.schema.json, to hold server.json against.
SCHEMA ?=
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
VULNDB  ?= https://vuln.go.dev
FUZZTIME ?= 20s
GPU_BUDGET ?= 60s
# go-nvml binds what its own header deprecates.
export CGO_CFLAGS ?= -O2 -g -Wno-deprecated-declarations
TRIALS ?= 200
# Packages that make test tests at once: some of them wait more than they compute.
AT_ONCE ?= 3
CLIENT_RUN ?= 75s
RIDERS ?= 8
# The benchmarks of examples/field to play, by commas, and the share of their 40 edits a campaign.
FIELD ?= all
FIELD_SCALE ?= 1
FIELD_MINUTES ?= 60
FIELD_OUT ?= $(CURDIR)/docs/evidence-field.jsonl

.PHONY: help build man example-report completions snapshot listing bundle test cover long race lint vuln fuzz bench growth demo image install crash hooks abuse clients conformance load grown linear nights bounds riders field start-page golden-ledgers evidence-wordfreq gpu-test ui-test clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

build: ## build bin/ratchet
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/ratchet

test: ## the suite in its quick form, for every edit: what it leaves out says what proves the like, and is run by make check
	$(GO) vet ./...
	$(GO) test -short -vet=off -p $(AT_ONCE) -timeout 70m ./...

check: ## the suite in its short form, every test of it, as CI runs it (13 minutes on 2 slow cores)
	RATCHET_TEST_CI=1 $(MAKE) test AT_ONCE=2

cover: ## hold what share of each package its own tests cover, short form (TestFaults is left out: it fails the writes of coverage, too)
	@mkdir -p bin
	RATCHET_TEST_CI=1 bash -o pipefail -c '$(GO) test -short -cover -skip "^TestFaults$$" -timeout 40m $$($(GO) list ./... | grep -v /cmd/ratchet) | tee $(BIN).cover.log'
	$(GO) run ./internal/house/cover < $(BIN).cover.log

long: ## the suite in its long form: every repetition, story, kind and user (10 to 15 minutes)
	$(GO) test -timeout 2h ./...

race: ## the suite in its long form under the race detector
	$(GO) test -race -timeout 60m ./...

lint: ## gofmt, vet for every platform, staticcheck, known vulnerabilities (which it says where they can't be looked up)
	@test -z "$$(gofmt -l cmd internal ledger sandbox server tools prompts examples)" || { gofmt -l cmd internal ledger sandbox server tools prompts examples; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	$(GO) vet -tags man ./cmd/ratchet
	$(GO) vet -tags conformance ./server ./cmd/ratchet
	$(GO) run $(STATICCHECK) ./...
	@$(MAKE) --no-print-directory vuln UNREACHABLE=warn

vuln: ## known vulnerabilities in the code that is called; fails where the database VULNDB can't be reached
	@mkdir -p bin
	@$(GO) run $(GOVULNCHECK) -db $(VULNDB) ./... > $(BIN).vuln 2>&1; code=$$?; cat $(BIN).vuln; \
	if grep -q '^govulncheck: fetching vulnerabilities' $(BIN).vuln; then \
		echo 'vulnerabilities: NOT CHECKED, the database $(VULNDB) cannot be reached'; test '$(UNREACHABLE)' = warn; \
	else exit $$code; fi

fuzz: ## fuzz the parsers for FUZZTIME each
	$(GO) test ./internal/research/contract -run '^$$' -fuzz FuzzParseProgram -fuzztime $(FUZZTIME)
	$(GO) test ./internal/research/contract -run '^$$' -fuzz FuzzScanner -fuzztime $(FUZZTIME)
	$(GO) test ./internal/foreign -run '^$$' -fuzz FuzzRead -fuzztime $(FUZZTIME)
	$(GO) test ./server -run '^$$' -fuzz FuzzTools -fuzztime $(FUZZTIME)

load: ## 32 sessions over HTTP and 8 over stdio on one ledger; 10,000 sessions opened and left
	$(GO) test ./cmd/ratchet -run '^TestServeLoad$$' -count 1 -v -serve-load 30s
	$(GO) test ./server -run '^TestSessionsLeftBehind$$' -count 1 -v -sessions 10000

linear: ## histories of 8 processes on one ledger, some killed, checked for linearizability (a few minutes)
	$(GO) test ./ledger -run '^Test.*Histories' -count 1 -v -histories 300

bench: build ## fixed cost of an experiment cycle against the plain shell, start-up, ledger
	$(GO) test ./cmd/ratchet -run '^TestCycleCost$$' -v -count 1 -cycle 30
	$(GO) test ./cmd/ratchet -run '^TestStartCost$$' -v -count 1 -starts 40
	$(GO) test ./sandbox ./sandbox/hostinfo ./ledger -run '^$$' -bench 'Start|Append|CampaignRead|Stamp' -benchtime 200x

grown: ## bytes an experiment in a large ledger, and who waits while it is exported, backed up, verified, migrated
	$(GO) test ./ledger -run '^TestGrown$$' -count 1 -v -timeout 2h -grown 10000

conformance: ## the official MCP conformance suite against ratchet serve with fixtures (npm, Node 22 through npm); prints the table of docs/protocol.md
	mkdir -p bin/conformance
	npm install --silent --no-save --prefix bin/conformance node@22.23.3 @modelcontextprotocol/conformance@0.1.16
	$(GO) test -tags conformance ./cmd/ratchet -run '^TestConformance$$' -count 1 -v -timeout 30m -args -conformance $(CURDIR)/bin/conformance/node_modules

growth: ## what a cycle and every view cost at 0 to 100,000 experiments, in time and in the agent's bytes
	$(GO) test ./cmd/ratchet -run '^TestGrowth$$' -v -count 1 -timeout 1h -growth 0,1000,10000,100000

crash: ## 1,000 kills -9 at random under load, 400 in mid-run, every fault point in every way, every mutant, power cuts
	$(GO) test ./cmd/ratchet -run 'TestKill|TestFinalizeKilled|TestCrash|TestFault|TestMutants|TestPowerCut|TestSuspend|TestReused|TestStale' -count 1 -v -timeout 2h \
		-kills 200 -crash-kills 1000 -faults

hooks: ## hooks that misbehave, with the 30 s after which one that hangs is killed
	$(GO) test ./cmd/ratchet -run '^TestHooks' -count 1 -v -slowhooks

abuse: ## the attacks (some need a quiet machine), and the long form of the abuse suite in package sandbox and through the real binary, as root and as another user; rewrites the tables in docs/confinement.md
	mkdir -p bin
	$(GO) test ./sandbox -run 'Abuse|Unprivileged' -count 1 -v -timeout 2h -abuse.trials $(TRIALS) -abuse.table > $(BIN).abuse.log
	{ echo '| abuse | tier | user | trials | dead after the deadline, p50 / p99 ms | survivors | verdict |'; \
	echo '|---|---|---|---|---|---|---|'; grep '^|' $(BIN).abuse.log; } > $(BIN).abuse
	sed -i -e '/<!-- abuse -->/,/<!-- end -->/{//!d}' -e '/<!-- abuse -->/r $(BIN).abuse' docs/confinement.md
	$(GO) test ./cmd/ratchet -run '^TestAttacks$$' -count 1 -v -timeout 3h -attack-table $(CURDIR)/$(BIN).attacks
	sed -i -e '/<!-- attacks -->/,/<!-- end attacks -->/{//!d}' -e '/<!-- attacks -->/r $(BIN).attacks' docs/confinement.md
	rm -f $(BIN).abuse.rows
	$(GO) test ./cmd/ratchet -run '^TestAbuseBinary$$' -count 1 -v -timeout 2h -parallel 4 -abuse-trials $(TRIALS) -abuse-table $(CURDIR)/$(BIN).abuse.rows
	{ echo '| abuse | through | tier | user | trials | dead after the deadline, p50 / p99 ms | survivors | verdict |'; \
	echo '|---|---|---|---|---|---|---|---|'; sort $(BIN).abuse.rows; } > $(BIN).abuse
	sed -i -e '/<!-- abuse-binary -->/,/<!-- end abuse-binary -->/{//!d}' -e '/<!-- abuse-binary -->/r $(BIN).abuse' docs/confinement.md

clients: ## campaigns through the real clients, from npm (1.5 GB in the user's cache, once), on a scripted model; rewrites the table in docs/clients.md (20 minutes)
	mkdir -p bin
	.ci/clients
	$(GO) test ./cmd/ratchet -run '^(TestClients|TestInspector)$$' -count 1 -v -timeout 2h -parallel 5 -clients-run $(CLIENT_RUN) -clients-table $(CURDIR)/$(BIN).clients
	sed -i -e '/<!-- tested -->/,/<!-- end tested -->/{//!d}' -e '/<!-- tested -->/r $(BIN).clients' docs/clients.md

nights: ## whole noisy nights through the real binary over MCP; remakes docs/evidence-nights.jsonl (half an hour or more)
	rm -f docs/evidence-nights.jsonl
	$(GO) test ./cmd/ratchet -run '^TestNights$$' -count 1 -v -timeout 6h -parallel 2 -nights 20 -nights-out $(CURDIR)/docs/evidence-nights.jsonl

bounds: ## the decision rule's bounds at their full width: every rule in 201 nights of every noise model (5 minutes)
	$(GO) test ./internal/simulate -run '^TestNullNightsStayClean$$' -count 1 -v -timeout 2h -args -nights 201

riders: ## RIDERS noisy campaigns with 10 useless keeps and 4 gains each, finalized: how many of both are left (10 minutes)
	$(GO) test ./cmd/ratchet -run '^TestRiders$$' -count 1 -v -timeout 2h -parallel 2 -riders $(RIDERS)

field: ## verdicts against the truth on eight real benchmarks (FIELD=go,c some of them, FIELD_SCALE=.1 fewer edits), quiet and beside a load, in at most FIELD_MINUTES; remakes their lines of docs/evidence-field.jsonl, and docs/evidence-field.md from it
	$(GO) test ./cmd/ratchet -run '^(TestField|TestFieldEditsAreTrue)$$' -count 1 -v -timeout 6h -args -field $(FIELD) -field-scale $(FIELD_SCALE) -field-minutes $(FIELD_MINUTES) -field-out $(FIELD_OUT)

start-page: ## play the commands of docs/start.md, and write what they say into it
	$(GO) test ./cmd/ratchet -run '^TestStartPage$$' -count 1 -v -args -start-update

golden-ledgers: ## record ledgers of the rule as it is into ledger/testdata/rule1, by which a test holds later versions; only before that version is released
	$(GO) test ./cmd/ratchet -run '^TestRecordGoldenLedgers$$' -count 1 -v -timeout 1h -golden-ledgers $(CURDIR)/ledger/testdata/rule1

evidence-wordfreq: ## measure useless edits of examples/wordfreq under a load that comes and goes; remakes docs/evidence-wordfreq.jsonl
	rm -f docs/evidence-wordfreq.jsonl
	$(GO) test ./cmd/ratchet -run '^TestRecordWordfreq$$' -count 1 -v -timeout 2h -record $(CURDIR)/docs/evidence-wordfreq.jsonl

gpu-test: ## what needs an NVIDIA GPU, nvidia-smi and a Python with torch (RATCHET_GPU_PYTHON); skips with the reason
	$(GO) test -tags gpu ./sandbox/gpu -run '^TestHardware' -count 1 -v -timeout 20m -args -gpu-budget $(GPU_BUDGET)

ui-test: ## the dashboard in Debian's Chromium, with axe-core from npm (both are installed): everything on every screen, 10,000 experiments, 50 appends; remakes docs/img/dashboard-*.png
	.ci/browser
	$(GO) test ./cmd/ratchet -run '^TestPage(|Files|Long|Shots)$$' -count 1 -v -timeout 30m -parallel 1 -ui-must -ui-long 10000 -ui-shots $(CURDIR)/docs/img

example-report: ## remake docs/example-report.md and .html, the report of a recorded night, and the list of named figures
	$(GO) test ./internal/report -run '^Test(Golden|FormulasAreNamedOnce)$$' -count 1 -args -update

demo: build ## drive a whole campaign through the real binary with a scripted agent
	./$(BIN) demo

image: build ## docs/img/progress.png, of the demo's campaign (about two minutes)
	dir=$$(./$(BIN) demo --keep | sed -n 's/.*the repository is kept in //p') && \
	./$(BIN) -C "$$dir" plot -o docs/img/progress.png --width 1200 && rm -r "$${dir%/*}"

man: ## write the manual pages into dist/man (bin/ratchet completion SHELL prints completions)
	rm -rf $(MAN)
	$(GO) run -tags man -ldflags '$(LDFLAGS)' ./cmd/ratchet man $(MAN)

completions: ## write the shells' completions into dist/completions
	rm -rf $(COMPLETIONS) && mkdir -p $(COMPLETIONS)
	$(GO) build -o bin/completing ./cmd/ratchet
	bin/completing completion bash > $(COMPLETIONS)/ratchet.bash
	bin/completing completion zsh > $(COMPLETIONS)/_ratchet
	bin/completing completion fish > $(COMPLETIONS)/ratchet.fish

snapshot: ## everything a release has, into dist/release: archives, .deb, bundles, checksums, server.json; publishes nothing
	$(FROM_COMMIT) $(GO) run $(GORELEASER) release --snapshot --clean
	@$(MAKE) --no-print-directory listing
	$(GO) test ./internal/release -run '^Test(Snapshot|Listing)$$' -count 1 -args -dist $(CURDIR)/$(RELEASE) $(if $(SCHEMA),-schema $(SCHEMA))

listing: ## the MCP registry's server.json for the bundles in dist/release; OWNER=… fills in the account
	bin/release listing $$(basename $$(ls $(RELEASE)/*_linux_amd64.mcpb) _linux_amd64.mcpb | sed 's/^ratchet_//') '$(OWNER)' $(RELEASE)/server.json $(RELEASE)/*.mcpb

bundle: ## the MCP bundle of this machine's architecture alone, dist/ratchet.mcpb
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o dist/bundle/ratchet ./cmd/ratchet
	$(GO) run ./internal/release/run bundle dist/bundle/ratchet 0.0.0-snapshot.g$$(git rev-parse --short HEAD) $$(git log -1 --format=%ct) dist/ratchet.mcpb

install: build ## install into PREFIX/bin
	install -D -m 0755 $(BIN) $(PREFIX)/bin/ratchet

clean: ## remove what was built
	rm -rf bin dist
