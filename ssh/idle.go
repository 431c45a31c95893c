package ssh

import (
	"container/list"
	"slices"
)

// idleConns are idle connections. Each operation looks only at those with the same
// login, of which there are few, and never at all of them: a run may have tens of
// thousands. The zero value is empty.
type idleConns struct {
	byAge  list.List                  // of *conn, the longest idle first
	byKind map[string][]*list.Element // by identity, the longest idle first
	looked int                        // connections that were looked at for the sake of one
}

func (i *idleConns) len() int { return i.byAge.Len() }

// alike returns how many connections have identity.
func (i *idleConns) alike(identity string) int { return len(i.byKind[identity]) }

// add takes n as the one that was used last.
func (i *idleConns) add(n *conn) {
	if i.byKind == nil {
		i.byKind = map[string][]*list.Element{}
	}
	identity := n.ep.identity
	i.byKind[identity] = append(i.byKind[identity], i.byAge.PushBack(n))
}

// take removes the one with identity that was used last of those that are good; nil
// if none is.
func (i *idleConns) take(identity string, good func(*conn) bool) *conn {
	for _, e := range slices.Backward(i.byKind[identity]) {
		i.looked++
		if n := connIn(e); good(n) {
			i.remove(e)
			return n
		}
	}
	return nil
}

// takeAll removes all with identity.
func (i *idleConns) takeAll(identity string) []*conn {
	var taken []*conn
	for _, e := range i.byKind[identity] {
		i.looked++
		taken = append(taken, connIn(e))
		i.byAge.Remove(e)
	}
	delete(i.byKind, identity)
	return taken
}

// removeOldest removes the one that has been idle the longest; nil if there is none.
func (i *idleConns) removeOldest() *conn {
	e := i.byAge.Front()
	if e == nil {
		return nil
	}
	i.looked++
	i.remove(e)
	return connIn(e)
}

func (i *idleConns) remove(e *list.Element) {
	identity := connIn(e).ep.identity
	alike := i.byKind[identity]
	i.looked += len(alike)
	if alike = slices.DeleteFunc(alike, func(x *list.Element) bool { return x == e }); len(alike) == 0 {
		delete(i.byKind, identity)
	} else {
		i.byKind[identity] = alike
	}
	i.byAge.Remove(e)
}

// all are all of them, the longest idle first.
func (i *idleConns) all() []*conn {
	all := make([]*conn, 0, i.len())
	for e := i.byAge.Front(); e != nil; e = e.Next() {
		all = append(all, connIn(e))
	}
	return all
}

// end removes those that are over, the longest idle first.
func (i *idleConns) end(over func(*conn) bool) []*conn {
	var ended []*conn
	for e := i.byAge.Front(); e != nil; {
		next := e.Next()
		if n := connIn(e); over(n) {
			i.remove(e)
			ended = append(ended, n)
		}
		e = next
	}
	return ended
}

// connIn is what e holds.
func connIn(e *list.Element) *conn { return e.Value.(*conn) }
