//! Everything that crosses a process boundary: the row, the launch message, the statement, the report, the words between daemon and agent.
