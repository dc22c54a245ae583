# What one does with a checkout. Plain `make` lists it.
#
# QQMGR_ACCEL=kvm makes the tests and the demo boot their guest with KVM instead of software
# emulation.

export QQMGR_ACCEL ?= tcg

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))

# Linked statically at a fixed address, which saves a third of the time that a short command takes and
# a tenth of the size, unless there is no static C library to link.
QQMGR := $(TARGET)/dist/qqmgr
STATIC := $(if $(filter /%,$(shell cc -print-file-name=libc.a)),-C target-feature=+crt-static -C relocation-model=static)
BUILD = cargo rustc --locked --profile dist --bin qqmgr -- $(STATIC)
PREFIX ?= /usr/local

# Many tests wait most of their time: for a guest, or for a time limit to be over.
TEST_THREADS ?= $(shell echo $$((2 * $$(nproc))))
N ?= 10
SHARE = $(DESTDIR)$(PREFIX)/share

.DEFAULT_GOAL := help
.PHONY: help demo test soak bench build guest packages lint install clean

help: ## list these targets
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 18

demo: guest build ## boot a small Linux guest and show what qqmgr does with it
	@PATH="$(dir $(QQMGR)):$$PATH" examples/demo.sh

test: guest ## run every test, those with a real guest too
	cargo test -- --test-threads=$(TEST_THREADS)

soak: guest ## run every test N=10 times beside four busy loops, and print what fails
	tests/soak.sh $(N)

bench: guest build ## measure qqmgr against the bare programs that it runs
	cargo bench --bench paired -- --qqmgr $(QQMGR)

build: ## build target/dist/qqmgr
	$(BUILD)

guest: packages ## build the guest of the tests and the demo in target/guest
	tests/guest/build.sh

packages: ## install the programs that tests and demo need (Debian, Ubuntu)
	tests/guest/packages.sh

lint: ## check the formatting, and clippy's opinion
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --lib --no-default-features -- -D warnings

# Not built anew for root, whose `make install` comes after a `make build`, unless it has changed.
$(QQMGR): Cargo.toml Cargo.lock $(shell find src -type f)
	$(BUILD)

install: $(QQMGR) ## install the program, manual pages and completions under PREFIX=/usr/local
	install -Dm755 $(QQMGR) $(DESTDIR)$(PREFIX)/bin/qqmgr
	install -d $(SHARE)/man $(SHARE)/bash-completion/completions \
		$(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	$(QQMGR) man --write $(SHARE)/man
	$(QQMGR) completions bash > $(SHARE)/bash-completion/completions/qqmgr
	$(QQMGR) completions zsh > $(SHARE)/zsh/site-functions/_qqmgr
	$(QQMGR) completions fish > $(SHARE)/fish/vendor_completions.d/qqmgr.fish

clean: ## remove all that was built
	cargo clean
