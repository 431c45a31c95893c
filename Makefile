# `make demo` and `make test` set up what they need; see .ci/need.

# Loading extensions into SQLite is left out of the build: nothing needs it.
export GOFLAGS = -tags=sqlite_omit_load_extension
# The linters are built once for each version and kept for all checkouts.
TOOLS = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tutti-tools
GOLANGCI_LINT = v2.15.0
GOFUMPT = v0.12.0
GOVULNCHECK = v1.9.0

# The program, and what has a module of its own.
MODULES = . bench browser

.PHONY: demo demo-cluster test screens soak bench build install lint clean

demo: ## run the main job on an embedded fleet of twenty hosts
	@.ci/need go cc
	go run . demo

demo-cluster: ## three controllers on PostgreSQL and the fleet of the demo, one of which is killed
	@.ci/need go cc postgresql
	.ci/demo-cluster

test: ## every test, with the race detector and the real sshd; a package at a time, since proof has its time limits
	@.ci/need go cc sshd postgresql sudo dropbear mksh posh bash bash-completion zsh fish curl chromium axe
	go test -race -p 1 -timeout 15m ./...
	cd bench && go test -race ./...
	cd browser && go test -race ./...

SCREENS = $(CURDIR)/screens
screens: ## pictures of the console, into SCREENS
	@.ci/need go cc chromium
	cd browser && go test -count=1 -run TestDemo . -screens $(SCREENS)

SESSIONS = 20000
FIRINGS = 3000
SEED = 0
soak: ## SESSIONS of several processes and FIRINGS of several daemons, with everything going wrong, SEED repeats one; a run with 1,200 clients and more that come and go; ten years of schedules
	@.ci/need go cc postgresql
	go test -race -count=1 -v -timeout 60m ./internal/soak -sessions $(SESSIONS) -seed $(SEED)
	go test -race -count=1 -v -timeout 180m ./internal/nemesis -firings $(FIRINGS) -seed $(SEED)
	go test -race -count=1 -v -timeout 30m -run TestLoad ./server/live -clients 1000 -silent 200 -restless 2000
	TUTTI_SOAK=1 go test -count=1 -timeout 60m -run TestNextIsTheMinuteWalk ./scheduler

bench: ## tutti beside a bare client and its peers, into bench/RESULTS.md; needs a quiet machine
	@.ci/need go cc sshd
	cd bench && go run . -install

build: ## the binary, ./tutti
	@.ci/need go cc
	go build -o tutti .

install: ## the binary, where go install puts it
	@.ci/need go cc
	go install .

lint_tool = $(TOOLS)/$(1)-$(2)/$(1)
LINTERS = $(call lint_tool,golangci-lint,$(GOLANGCI_LINT)) $(call lint_tool,gofumpt,$(GOFUMPT)) $(call lint_tool,govulncheck,$(GOVULNCHECK))

lint: $(LINTERS) ## what a reviewer should not have to say
	for module in $(MODULES); do (cd $$module && go vet ./... && go mod tidy -diff && $(call lint_tool,golangci-lint,$(GOLANGCI_LINT)) run ./...) || exit 1; done
	@unformatted=$$($(call lint_tool,gofumpt,$(GOFUMPT)) -l .); [ -z "$$unformatted" ] || { echo "not formatted:" $$unformatted; exit 1; }
	@.ci/vulncheck $(call lint_tool,govulncheck,$(GOVULNCHECK))

$(TOOLS)/golangci-lint-%/golangci-lint:
	@.ci/need go
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$*

$(TOOLS)/gofumpt-%/gofumpt:
	@.ci/need go
	GOBIN=$(@D) go install mvdan.cc/gofumpt@$*

$(TOOLS)/govulncheck-%/govulncheck:
	@.ci/need go
	GOBIN=$(@D) go install golang.org/x/vuln/cmd/govulncheck@$*

clean:
	rm -rf tutti
