mock_provider "aws" {
  source = "../tests/mocks"
}

variables {
  environment = "dev"
  budget_usd  = 100
}

run "keys_turn_and_are_bound" {
  assert {
    condition     = aws_kms_key.state.enable_key_rotation && aws_kms_key.data.enable_key_rotation
    error_message = "both keys are rotated"
  }
  assert {
    condition = alltrue([for statement in jsondecode(aws_kms_key.data.policy).Statement :
      statement.Condition.StringEquals["kms:CallerAccount"] == "123456789012" && length(statement.Condition.StringEquals["kms:ViaService"]) > 0
    if try(statement.Principal.AWS, "") == "*"])
    error_message = "what is open to all is open to this account only, and through services only"
  }
  assert {
    condition     = jsondecode(aws_kms_key.state.policy).Statement[*].Principal.AWS == ["arn:aws:iam::123456789012:root"]
    error_message = "the state's key is opened by IAM only"
  }
}

run "the_budget_speaks_up_before_and_when_it_is_spent" {
  assert {
    condition     = { for notification in aws_budgets_budget.environment.notification : notification.notification_type => notification.threshold } == { ACTUAL = 80, FORECASTED = 100 }
    error_message = "at 80 % spent and at 100 % forecast"
  }
  assert {
    condition     = one(aws_budgets_budget.environment.cost_filter).values == tolist(["user:treza:environment$dev"])
    error_message = "of this environment's tag"
  }
}

run "what_others_read_is_in_the_parameter" {
  assert {
    condition     = aws_ssm_parameter.base.name == "/treza/dev/base" && jsondecode(aws_ssm_parameter.base.value).rows.name == "treza-dev-enclaves"
    error_message = "runtime and the command find the tables by it"
  }
  assert {
    condition     = strcontains(output.backend, "use_lockfile = true") && strcontains(output.backend, "encrypt      = true")
    error_message = "the state is locked by S3 itself, and encrypted"
  }
}

run "switches_are_off_unless_asked_for" {
  assert {
    condition     = length(module.trail) == 0 && length(aws_ecr_pull_through_cache_rule.upstream) == 0
    error_message = "neither trail nor other registries"
  }
}

run "switches_are_on_where_asked_for" {
  variables {
    cloudtrail = true
    upstream_registries = {
      docker-hub = { url = "registry-1.docker.io", credentials = true }
      quay       = { url = "quay.io" }
    }
    notify = ["ops@example.com"]
  }
  assert {
    condition     = length(module.trail) == 1 && length(aws_sns_topic_subscription.email) == 1
    error_message = "trail and subscription"
  }
  assert {
    condition     = aws_ecr_pull_through_cache_rule.upstream["docker-hub"].credential_arn == aws_secretsmanager_secret.upstream["docker-hub"].arn && aws_ecr_pull_through_cache_rule.upstream["quay"].credential_arn == null
    error_message = "a registry that asks for credentials has its secret, another has none"
  }
  assert {
    condition     = keys(aws_secretsmanager_secret.upstream) == ["docker-hub"] && aws_secretsmanager_secret.upstream["docker-hub"].name == "ecr-pullthroughcache/treza-dev-docker-hub"
    error_message = "under the name that ECR reads"
  }
  assert {
    condition     = toset(output.base.upstream_repository_arns) == toset(["arn:aws:ecr:us-west-2:123456789012:repository/treza-dev-docker-hub/*", "arn:aws:ecr:us-west-2:123456789012:repository/treza-dev-quay/*"])
    error_message = "runtime learns what may be pulled through"
  }
}

run "what_cannot_be_meant_is_refused" {
  command = plan
  variables {
    environment          = "Dev"
    region               = "mars-1"
    tags                 = { "aws:x" = "1" }
    cost_center          = "§"
    notify               = ["nobody"]
    budget_usd           = 0
    log_retention_days   = 2
    vpc_cidr             = "10.0.0.0/8"
    egress               = "open"
    nat_gateways         = 0
    host_ingress_cidrs   = ["0.0.0.0/0"]
    architecture         = "riscv"
    reserved_concurrency = { nobody = 1 }
    repositories         = ["runner"]
    upstream_registries  = { "Docker Hub" = { url = "https://registry-1.docker.io" } }
  }
  expect_failures = [
    var.environment, var.region, var.tags, var.cost_center, var.notify, var.budget_usd, var.log_retention_days, var.vpc_cidr, var.egress,
    var.nat_gateways, var.host_ingress_cidrs, var.architecture, var.reserved_concurrency, var.repositories, var.upstream_registries,
  ]
}

run "what_cannot_be_meant_is_refused_in_every_environment" {
  command = plan
  variables {
    driver      = "vmware"
    trust_roots = ["no certificate"]
    tags        = { "cost center" = "1" }
  }
  expect_failures = [var.driver, var.trust_roots, var.tags]
}
