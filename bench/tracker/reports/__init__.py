"""Reports: findings, goals, tables, JSON and pictures."""
