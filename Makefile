# make test   everything that must pass: formatting, vet, staticcheck, layering,
#             unit tests under the race detector, the static build, end-to-end
# make help   the other targets
SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO     ?= go
BUILD  := .build
REPORT := $(BUILD)/testreport

# The race detector needs cgo and a C compiler.
CC_FOUND := $(shell command -v $$($(GO) env CC) 2>/dev/null)
RACE     := $(if $(CC_FOUND),-race)

# go test $(1) in directory $(2), reported; environment in $(3)
define gotest
(cd $(2) && $(3) $(GO) test -json $(1)) 2>&1 | $(REPORT)
endef

.PHONY: help test test-cluster setup fmt fmt-check lint layering unit allocations build e2e kill bench bench-go bench-growth clean

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 14

test: setup fmt-check lint layering unit allocations build e2e ## run everything that must pass

setup: ## install what the end-to-end tests need, where it is missing
	@e2e/setup

fmt: ## format all Go code
	gofmt -w $$($(GOFILES))

GOFILES = find . -name '*.go' -not -path '*/node_modules/*' -not -path './.git/*'

fmt-check:
	@unformatted=$$(gofmt -l $$($(GOFILES))); \
	if [ -n "$$unformatted" ]; then echo "not formatted (run make fmt):"; echo "$$unformatted"; exit 1; fi
	@echo "formatting: ok"

lint: fmt-check ## vet and staticcheck both modules
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	cd e2e && $(GO) vet ./... && "$$($(GO) -C .. tool -n staticcheck)" ./...

layering: $(REPORT) ## check who imports whom, and what no line may say
	@$(call gotest,-count=1 ./internal/layering,.)

unit: $(REPORT) ## run the unit tests under the race detector
	@$(if $(RACE),,echo "skipped: the race detector, since there is no C compiler";)
	@$(call gotest,$(RACE) ./...,.)

allocations: $(REPORT) ## compare allocations per operation with their budget, which the race detector would spoil
	@$(call gotest,-run '^TestAllocationBudget$$' $$($(GO) list -f '{{if .TestImports}}{{.ImportPath}}: {{.TestImports}}{{end}}' ./... | sed -n 's/: .*internal\/allocbudget.*//p'),.)

build: ## build the program, statically, as $(BUILD)/daypass
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BUILD)/daypass ./cmd/daypass

e2e: setup $(REPORT) ## run real clients, a browser and kill -9 against the program
	@$(call gotest,-count=1 -timeout 12m $$($(GO) list ./... | grep -v '/e2e/cluster$$'),e2e)

test-cluster: $(REPORT) ## run three nodes over Ceph and PostgreSQL, and break all of it
	@e2e/setup cluster
	@$(call gotest,-count=1 -timeout 15m ./cluster,e2e)

kill: $(REPORT) ## kill the server 100 times under load and check what it kept
	@$(call gotest,-count=1 -timeout 60m -run '^TestKill' .,e2e,DAYPASS_E2E_KILL_ROUNDS=100)

# ROUNDS, SECONDS and ROWS choose what is measured, AGAINST is another build to
# measure beside this one, PROFILE=1 draws flame graphs, UPDATE is the page that
# the tables go into (docs/performance.md, which tells more).
bench: build ## measure against nginx, and write $(BUILD)/bench/table.md
	$(GO) run ./internal/bench/table -daypass $(BUILD)/daypass -out $(BUILD)/bench \
		$(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(SECONDS),-seconds $(SECONDS)) \
		$(if $(ROWS),-rows $(ROWS)) $(if $(AGAINST),-against $(AGAINST)) $(if $(PROFILE),-profile) $(if $(UPDATE),-update $(UPDATE))

bench-go: ## run the Go benchmarks, COUNT times each, for benchstat
	$(GO) test -run '^$$' -bench '$(or $(BENCH),.)' -benchmem -count $(or $(COUNT),1) $(or $(PKG),./...)

# OBJECTS are the sizes of the stores to compare; ten million take half an hour
# to make the first time, and 5 GiB in STORES, which keeps them. PLAIN=1 leaves
# versions and deleted objects out, which is half of the work. UPDATE is the page
# that the tables go into.
bench-growth: build ## measure how cost grows with what is stored, and write $(BUILD)/bench/growth.md
	$(GO) run ./internal/bench/growth -program $(BUILD)/daypass -out $(BUILD)/bench/growth \
		$(if $(OBJECTS),-objects $(OBJECTS)) $(if $(STORES),-stores $(STORES)) $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(ONLY),-only $(ONLY)) \
		$(if $(PLAIN),-plain) $(if $(UPDATE),-update $(UPDATE))

clean: ## remove what was built
	rm -rf $(BUILD)

$(REPORT): e2e/testreport/main.go
	@mkdir -p $(BUILD)
	@$(GO) -C e2e build -o ../$@ ./testreport
