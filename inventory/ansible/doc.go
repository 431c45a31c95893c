// Package ansible reads Ansible's inventories: INI, YAML, what a program prints, and
// the group_vars and host_vars next to them.
//
// Files in a row are read into one [Inventory], in which Ansible's own precedence
// decides which variable a host gets. [Inventory.Layer] turns the variables that mean
// something here into settings of the hosts; the groups keep their members and lose
// their variables. A mistake in a variable makes the hosts that have it unusable, not
// the file, because most of such a file is not meant for tutti.
//
// The package runs nothing itself: a program is handed in as a [Program].
package ansible
