package live

// A lens is what one viewer may see of the hosts of a run. Indexes count the hosts that it
// sees, so that it learns nothing of the others but their number.
type lens struct {
	// names are the hosts that are seen, in the order of the plan, and hidden is how many
	// others there are.
	names  []string
	hidden int
	// index is the viewer's index of each host, -1 for one that is hidden; nil: all
	// are seen.
	index []int32
	// phases are those of the hosts as they were shown, and counts their numbers.
	phases []phase
	counts counts
}

// newLens sees those of the hosts that visible is true of; nil: all.
func newLens(hosts []string, visible func(host string) bool) *lens {
	if visible == nil {
		return &lens{names: hosts}
	}
	l := &lens{index: make([]int32, len(hosts))}
	for i, name := range hosts {
		l.index[i] = -1
		if visible(name) {
			l.index[i] = int32(len(l.names))
			l.names = append(l.names, name)
		}
	}
	l.hidden = len(hosts) - len(l.names)
	if l.hidden == 0 {
		return &lens{names: hosts}
	}
	l.phases = make([]phase, len(l.names))
	l.counts[waiting] = int32(len(l.names))
	return l
}

// show is a frame as the viewer sees it; nil if that is nothing.
func (l *lens) show(f *frame) []byte {
	if l.index == nil {
		return f.bytes()
	}
	var seen []change
	for _, c := range f.changes {
		i := l.index[c.index]
		if i < 0 {
			continue
		}
		l.counts[l.phases[i]]--
		l.counts[c.slot.phase]++
		l.phases[i] = c.slot.phase
		seen = append(seen, change{i, c.slot})
	}
	if len(seen) == 0 {
		return nil
	}
	return appendFrame(nil, f.version, &l.counts, seen)
}

// snapshot is that of a viewer, who gets one also if it sees no host.
func (l *lens) snapshot(s *snapshot) []byte {
	if b := l.show(&s.frame); b != nil {
		return b
	}
	return appendFrame(nil, s.version, &l.counts, nil)
}

// place is the index in the plan of a host that the viewer sees; false if it sees no
// such host.
func place(l *lens, hosts []string, name string) (int, bool) {
	for i, host := range hosts {
		if host == name {
			return i, l.index == nil || l.index[i] >= 0
		}
	}
	return 0, false
}
