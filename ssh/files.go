package ssh

import (
	"fmt"
	"slices"
)

const (
	// socketFiles and proxyFiles are how many files of ours a connection over
	// TCP and one by a program take: the program's is a pipe each way, one for
	// what it complains of, and the process itself.
	socketFiles = 1
	proxyFiles  = 4
)

// OpenFiles is how many files are open at most for connections while n of the
// endpoints are worked on at once. Through a bastion they share the files of
// its logins.
func OpenFiles(endpoints []Endpoint, n int) int {
	straight := make([]int, 0, len(endpoints))
	type bastion struct{ files, riders int }
	bastions := map[string]*bastion{}
	for i := range endpoints {
		e := &endpoints[i]
		if len(e.Jumps) == 0 {
			straight = append(straight, e.files())
			continue
		}
		key := fmt.Sprintf("%#v", e.Jumps[0])
		if bastions[key] == nil {
			bastions[key] = &bastion{files: e.Jumps[0].files()}
		}
		bastions[key].riders++
	}
	slices.Sort(straight)
	files := 0
	for _, f := range straight[max(0, len(straight)-n):] {
		files += f
	}
	for _, b := range bastions {
		files += b.files * ((min(n, b.riders) + maxInUse - 1) / maxInUse)
	}
	return files
}

// files is how many files a connection to e takes that goes through no bastion.
func (e *Endpoint) files() int {
	if e.ProxyCommand != "" {
		return proxyFiles
	}
	return socketFiles
}
