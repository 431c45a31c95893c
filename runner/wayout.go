package runner

// What can be done about an error, where that depends on how the runner is asked:
// the codes of [fault.Advise], whose words the caller has.
const (
	// AdviceNoMatch is of a selector that means no host of an inventory: its files.
	AdviceNoMatch = "no match"
	// AdviceNoInventory: there is none.
	AdviceNoInventory = "no inventory"
	// AdviceNoUser: the system does not know who runs this.
	AdviceNoUser = "no user"
	// AdviceHostsLeft: hosts of the run to repeat have left the inventory.
	AdviceHostsLeft = "hosts left"
	// AdviceScriptGone: the script of the run to repeat was read from standard input:
	// the run.
	AdviceScriptGone = "script gone"
	// AdviceScriptChanged: the script of the run to repeat is another one now: the
	// run, and the script's path as a shell reads it.
	AdviceScriptChanged = "script changed"
)
