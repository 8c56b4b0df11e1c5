# make demo and make test are for everyone; they install what they need through the
# package registries, into .cache/ where they can, and are quick once that is there.

GO        ?= go
FUZZTIME  ?= 5s
BENCHTIME ?= 1s
GOLANGCI  := .cache/bin/golangci-lint

.PHONY: build demo test differential endurance lint fuzz bench microbench generate clean help

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/wick
	$(GO) build -o bin/wick ./cmd/wick

demo: build ## functions in every language, cold and warm, an error and a time-out
	@scripts/install-tools compiler dotnet
	@$(GO) run ./internal/demo

test: ## every test, with the race detector, AWS's own clients included
	@scripts/install-tools compiler clients java dotnet
	$(GO) test -race -timeout 40m ./...

differential: ## the same functions under AWS's runtime clients and under Wick's; UPDATE=1 to record
	@scripts/install-tools compiler java
	@runtimes/official.sh .cache/official
	WICK_OFFICIAL_CLIENTS=$(CURDIR)/.cache/official WICK_DIFFERENTIAL_UPDATE=$(UPDATE) $(GO) test -count=1 -timeout 40m \
		-run 'AWSsClientsDo|AgainstOfficialClients' -bench BesideAWSsClients -benchtime 2000x ./test/differential ./runtimes

endurance: ## a thousand instances started and stopped; INSTANCES=n for another number
	WICK_ENDURANCE_INSTANCES=$(or $(INSTANCES),1000) $(GO) test -count=1 -v -timeout 60m ./test/endurance

lint: $(GOLANGCI) ## gofmt, go vet, golangci-lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GOLANGCI) run

$(GOLANGCI): scripts/install-tools
	@scripts/install-tools golangci

fuzz: ## every fuzz target for FUZZTIME
	@scripts/fuzz $(FUZZTIME)

bench: build .cache/bench/.fetched ## every bar of speed, beside its peers, into bench/RESULTS.md; ONLY=warm,cold QUICK=1 OUT=file
	$(GO) build -o bin/bench ./bench
	bin/bench $(if $(ONLY),-only $(ONLY)) $(if $(QUICK),-quick) -out $(or $(OUT),$(if $(ONLY)$(QUICK),.cache/bench/RESULTS.md,bench/RESULTS.md))

.cache/bench/.fetched: bench/fetch | build
	bench/fetch .cache/bench
	touch $@

microbench: ## the benchmarks of inner loops
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

generate: ## the API's tables from AWS's model, wick-init and the bootstraps that are compiled
	@scripts/install-tools generators dotnet
	$(GO) generate ./...

clean: ## what make made, .cache/ included
	rm -rf bin .cache examples/target
