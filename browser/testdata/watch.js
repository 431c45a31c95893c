// What a page does that follows a run: everything that comes is kept, until the test
// asks for it.
globalThis.watch = path => {
	const seen = [];
	let last = "";
	let wake = () => {};
	const source = new EventSource(path);
	for (const name of ["open", "error", "run", "hosts", "snapshot", "delta", "output", "gap", "unwatched", "end"]) {
		source.addEventListener(name, e => {
			last = e.lastEventId || last;
			seen.push({name, id: last, data: e.data ? JSON.parse(e.data) : null});
			if (name === "end") {
				source.close();
			}
			wake();
		});
	}
	globalThis.next = async (from, names) => {
		for (let at = from; ; at++) {
			while (at >= seen.length) {
				await new Promise(resolve => { wake = resolve; });
			}
			if (names.includes(seen[at].name)) {
				return {at, ...seen[at]};
			}
		}
	};
	globalThis.ended = () => source.readyState === EventSource.CLOSED;
};
globalThis.ask = async (method, path, body) => {
	const answer = await fetch(path, {method, body: JSON.stringify(body), headers: {"Content-Type": "application/json"}});
	return {status: answer.status, body: await answer.json()};
};
