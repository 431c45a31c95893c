// Package tables has what engines on SQL databases have in common: the tables of users,
// tokens, logins and the audit, of hosts in maintenance, of heartbeats, of callbacks,
// scripts and keys of requests, and the outbox, in SQL that each of the databases
// understands; and the rows of jobs, of their states and of firings.
package tables
