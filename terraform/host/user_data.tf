# What an instance is told at its first boot: cloud-init's configuration, with JSON as the YAML that it also is. It is the
# same for every row. Which rows are its own the daemon learns by its instance id, from IMDSv2 and HostIndex.

locals {
  rows_table    = split("/", var.rows_table_arn)[1]
  reports_table = split("/", var.reports_table_arn)[1]

  # TOML's basic strings are JSON's.
  host_toml = <<-TOML
    state_dir = "/var/lib/treza/host"
    bundles = "/var/lib/treza/bundles"
    region = ${jsonencode(local.region)}
    driver = ${jsonencode(var.driver)}
    # Each look is a query and a read: at the daemon's own 200 ms they would cost ten times as much (docs/costs.md).
    poll_ms = 2000

    [tables]
    rows = ${jsonencode(local.rows_table)}
    reports = ${jsonencode(local.reports_table)}
  TOML

  # Read by install.sh. Their variables take no quote and no blank: see variables.tf.
  install_env = <<-ENV
    PACKAGE_URI='${var.package_uri}'
    PACKAGE_SHA256='${var.package_sha256}'
    BUNDLES_URI='${var.bundles_uri}'
    BUNDLES='${join(" ", var.bundles)}'
    DRIVER='${var.driver}'
  ENV

  cloud_config = {
    write_files = [
      { path = "/etc/treza/host.toml", permissions = "0644", content = local.host_toml },
      { path = "/etc/treza/install.env", permissions = "0644", content = local.install_env },
      { path = "/etc/treza/install.sh", permissions = "0755", content = file("${path.module}/files/install.sh") },
      { path = "/etc/treza/logs.json", permissions = "0644", content = file("${path.module}/files/logs.json") },
    ]
    runcmd = [["/etc/treza/install.sh"]]
  }
  user_data = "#cloud-config\n${jsonencode(local.cloud_config)}\n"
}
