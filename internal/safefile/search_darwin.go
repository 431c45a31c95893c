package safefile

// search opens a directory for finding names in it, which takes no right to
// read it: O_SEARCH, which x/sys does not have.
const search = 0x40000000
