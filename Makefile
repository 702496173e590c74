# A thin face of Meson. Every target installs what it needs (tools/setup: Debian packages; quick and
# quiet when nothing is missing), so that `make demo` and `make check` each work on a fresh machine.

BUILD ?= build
PREFIX ?= /usr/local
MESON_FLAGS ?=

.PHONY: all setup guest demo check asan fuzz bench fmt docs install clean

all: setup $(BUILD)/build.ninja
	ninja -C $(BUILD)

setup:
	@tools/setup

$(BUILD)/build.ninja:
	meson setup --prefix $(PREFIX) $(MESON_FLAGS) $(BUILD)

guest: setup
	@echo "Building the guest"
	@$(MAKE) -s --no-print-directory -j2 -C guest OUT=$(CURDIR)/$(BUILD)/guest

demo: all guest
	@tools/demo $(BUILD)

check: setup
	@tools/check

asan: setup
	@tools/check asan

fuzz: setup
	@tools/fuzz

bench: all guest
	@tools/bench $(BUILD)

fmt: setup
	clang-format -i $$(git ls-files '*.c' '*.h')

docs: all
	$(BUILD)/tools/docgen docs/commands docs/ringside.1

install: all
	meson install -C $(BUILD)

clean:
	rm -rf build build-*
