// Package inventory is the list of machines, and how some of them are chosen.
//
// An [Inventory] is read from files ([Find], [Load]) or from words on the
// command line ([ParseHosts]). It holds [Host]s, each with the settings that the
// files give it, and where each setting comes from. A host belongs to groups;
// a group may contain other groups.
//
// A setting is taken from the host itself, else from its nearest group (the one
// with the fewest steps from the group to the host), else from groups further
// out, else from the defaults of the files that name the host. Of several files
// a later one wins, setting by setting, and its groups are united with the
// earlier ones. Labels follow the same rule, each for itself.
//
// Inventories of Ansible's keep Ansible's precedence among themselves, and stand
// like hosts' own settings among other files. What is wrong with a host of
// theirs makes the host [Unusable], which counts once it is selected.
//
// A [Selector] chooses hosts by name, group, label, or an earlier run.
//
// What one file says is a [layer.Layer]; the readers of tutti's own formats are here,
// that of Ansible's is package ansible.
//
// The package knows nothing of connections. Inventories, hosts and selectors
// are immutable and may be used by several goroutines at once.
package inventory
