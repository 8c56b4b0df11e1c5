# make demo and make test are for everyone; they install what they need through the
# package registries, into .cache/ where they can, and are quick once that is there.

GO        ?= go
FUZZTIME  ?= 5s
BENCHTIME ?= 1s
GOLANGCI  := .cache/bin/golangci-lint

.PHONY: build demo test lint fuzz bench generate clean help

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/wick
	$(GO) build -o bin/wick ./cmd/wick

demo: build ## functions in four languages, cold and warm, an error and a time-out
	@scripts/install-tools compiler
	@$(GO) run ./internal/demo

test: ## every test, with the race detector, AWS's own clients included
	@scripts/install-tools compiler clients
	$(GO) test -race -timeout 20m ./...

lint: $(GOLANGCI) ## gofmt, go vet, golangci-lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GOLANGCI) run

$(GOLANGCI): scripts/install-tools
	@scripts/install-tools golangci

fuzz: ## every fuzz target for FUZZTIME
	@scripts/fuzz $(FUZZTIME)

bench: ## every benchmark
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

generate: ## the API's tables from AWS's model, and wick-init from its source
	@scripts/install-tools generators
	$(GO) generate ./...

clean: ## what make made, .cache/ included
	rm -rf bin .cache examples/target
