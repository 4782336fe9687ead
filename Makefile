# Treza. `make demo` does the main job for real, `make test` passes every test; each sets up what it needs.
# KERNEL=treza (our own, built once in some minutes) or KERNEL=debian (Debian's cloud kernel, at once).
KERNEL ?= treza
TARGET := x86_64-unknown-linux-musl
RELEASE := target/release

# A fresh Debian has a C compiler or does not; the agent needs musl's, the emulator QEMU.
BUILD_PACKAGES := build-essential pkg-config musl-tools ca-certificates
RUN_PACKAGES := qemu-system-x86
TEST_PACKAGES := docker-registry skopeo umoci mmdebstrap apache2-utils python3-venv curl procps

.PHONY: help
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make demo     the whole trip on this machine: a row, an attested enclave, and back
.PHONY: demo
demo: programs bundle image
	@scripts/packages.sh $(TEST_PACKAGES)
	@scripts/demo.sh

## make test     every test, with real boots
.PHONY: test
test: programs bundle image
	@scripts/packages.sh $(TEST_PACKAGES)
	@scripts/test.sh

## make estate   the whole trip on an emulated AWS account, with Terraform: SCENARIOS="no_capacity" for some
.PHONY: estate
estate: programs bundle
	@scripts/packages.sh $(TEST_PACKAGES)
	@scripts/estate/trip.sh $(SCENARIOS)

## make bench    the benchmarks, as ratios in one run
.PHONY: bench
bench: programs bundle image
	@scripts/bench.sh

## make fuzz     every fuzz target for a minute: SECONDS=600 for longer, TARGETS="attestation client/row" for some
SECONDS ?= 60
.PHONY: fuzz
fuzz: setup
	@scripts/fuzz.sh $(SECONDS) $(TARGETS)

## make boots    nginx, redis and a Python service, each deployed under both bundles
.PHONY: boots
boots: programs agent
	@scripts/boots.sh

## make programs treza, treza-host, treza-eif, treza-attest in target/release
.PHONY: programs
programs: setup
	@echo "==> building the programs"
	@cargo build --release --workspace --bins

## make agent    the agent, static
.PHONY: agent
agent: setup
	@echo "==> building the agent ($(TARGET))"
	@scripts/agent.sh --bin treza-agent

## make package  what a host is installed from, in target/package
.PHONY: package
package: programs
	@scripts/package.sh target/package

## make cloud    what runs in AWS, static: the functions' package and the runner; ARCHITECTURES=x86_64 for one
ARCHITECTURES ?= x86_64 arm64
.PHONY: cloud
cloud: setup
	@scripts/cloud.sh $(ARCHITECTURES)

## make runner-image  the runner's image in target/cloud/runner, out of make cloud's; built twice, and run (root)
.PHONY: runner-image
runner-image:
	@scripts/runner-image.sh target/cloud/runner
	@scripts/runner-image.sh check target/cloud/runner

## make unit     the package under a real systemd, with an enclave under its unit's limits (root)
.PHONY: unit
unit: programs bundle image
	@scripts/unit.sh

## make kernel   the enclave's kernel
.PHONY: kernel
kernel:
	@scripts/kernel.sh $(KERNEL)

## make bundle   kernel and agent as a bundle, the default of target/bundles
.PHONY: bundle
bundle: programs agent kernel
	@scripts/bundle.sh $(KERNEL)

## make image    an image of Debian's nginx, for demo and tests
.PHONY: image
image:
	@scripts/image.sh nginx

## make terraform-check  format, validity, tests and checkov of the Terraform: offline
.PHONY: terraform-check
terraform-check:
	@scripts/packages.sh python3-venv
	@scripts/terraform.sh

## make estate-apply  base, runtime and a host, applied to an emulated account, checked and destroyed, with times
.PHONY: estate-apply
estate-apply:
	@scripts/packages.sh python3-venv curl
	@scripts/estate/check.sh

## make estate-cloud  treza cloud as a person runs it: from an empty emulated account to a pipeline, and back
.PHONY: estate-cloud
estate-cloud: programs bundle
	@scripts/packages.sh $(TEST_PACKAGES)
	@scripts/estate/setup.sh
	@cargo test --release --workspace --exclude attestation --test cloud

## make check    formatting, lints and licences
.PHONY: check
check: setup
	@scripts/kernel.sh check
	@cargo fmt --all -- --check
	@cargo clippy --release --workspace --all-targets -- -D warnings
	@cargo clippy --release --workspace --test estate --test cloud -- -D warnings
	@cargo deny --log-level error check licenses bans sources

## make workflows-check  the workflows of GitHub Actions, and every shell script: ONLINE=yes asks GitHub too
.PHONY: workflows-check
workflows-check:
	@scripts/workflows.sh $(if $(ONLINE),online)

.PHONY: setup
setup:
	@scripts/packages.sh $(BUILD_PACKAGES) $(RUN_PACKAGES)
	@scripts/rust.sh
