# What is for trying things out is refused in prod, whatever a file or a command line says.

mock_provider "aws" {
  source = "../tests/mocks"
}

variables {
  environment = "prod"
  budget_usd  = 1000
}

run "prod_as_it_should_be" {
  command = plan
}

run "a_development_trust_root_is_refused" {
  command = plan
  variables {
    trust_roots = ["-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"]
  }
  expect_failures = [var.trust_roots]
}

run "the_emulator_is_refused" {
  command = plan
  variables {
    driver = "emulator"
  }
  expect_failures = [var.driver]
}

run "an_emulated_account_is_refused" {
  command = plan
  variables {
    emulated = true
  }
  expect_failures = [var.emulated]
}

run "tables_without_protection_are_refused" {
  command = plan
  variables {
    deletion_protection = false
  }
  expect_failures = [var.deletion_protection]
}

run "elsewhere_they_are_taken" {
  command = plan
  variables {
    environment         = "dev"
    trust_roots         = ["-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"]
    driver              = "emulator"
    emulated            = true
    deletion_protection = false
  }
}
