package console

// A page is an entry of the table.
type page struct {
	// pattern is its route.
	pattern string
	// asks are the operations that it asks the API for. Every page that is not public
	// also asks for GET /session.
	asks []string
	// tab is the entry of the navigation that it belongs to.
	tab string
	// public: it is for anybody; it asks for no session.
	public bool
	show   func(*visit)
}

// pages are all pages. A test holds them against the operations of the API.
var pages = []page{
	{pattern: "GET /login", asks: []string{"GET /session"}, public: true, show: showLogin},
	{pattern: "POST /login", asks: []string{"POST /session"}, public: true, show: logIn},
	{pattern: "GET /login/{secret}", public: true, show: showLink},
	{pattern: "POST /login/{secret}", asks: []string{"POST /session/link"}, public: true, show: takeLink},
	{pattern: "POST /logout", asks: []string{"DELETE /session"}, public: true, show: logOut},
	{pattern: "POST /theme", public: true, show: setTheme},

	{pattern: "GET /runs", asks: []string{"GET /runs"}, tab: "runs", show: showRuns},
	{pattern: "GET /runs/new", tab: "runs", show: showNewRun},
	{pattern: "POST /runs/new", asks: []string{"POST /plan", "POST /runs"}, tab: "runs", show: takeNewRun},
	{pattern: "GET /runs/{run}", asks: []string{"GET /runs/{run}", "GET /runs/{run}/groups", "GET /runs/{run}/plan"}, tab: "runs", show: showRun},
	{pattern: "GET /runs/{run}/hosts", asks: []string{"GET /runs/{run}", "GET /runs/{run}/hosts"}, tab: "runs", show: showRunHosts},
	{
		pattern: "GET /runs/{run}/hosts/{host}", tab: "runs", show: showOutput,
		asks: []string{"GET /runs/{run}", "GET /runs/{run}/hosts/{host}", "GET /runs/{run}/hosts/{host}/output", "GET /hosts/{host}"},
	},
	{pattern: "GET /runs/{run}/plan", asks: []string{"GET /runs/{run}", "GET /runs/{run}/plan"}, tab: "runs", show: showRunPlan},
	{pattern: "GET /runs/{run}/kill", asks: []string{"GET /runs/{run}", "GET /runs/{run}/groups"}, tab: "runs", show: showKill},
	{pattern: "POST /runs/{run}/kill", asks: []string{"GET /runs/{run}", "GET /runs/{run}/groups", "POST /runs/{run}/kill"}, tab: "runs", show: takeKill},
	{pattern: "GET /runs/{run}/rerun", asks: []string{"GET /runs/{run}"}, tab: "runs", show: showRerun},
	{pattern: "POST /runs/{run}/rerun", asks: []string{"GET /runs/{run}", "POST /runs/{run}/rerun"}, tab: "runs", show: takeRerun},
	{pattern: "GET /runs/{run}/diff", asks: []string{"GET /runs/{run}", "GET /runs", "GET /runs/{run}/diff"}, tab: "runs", show: showDiff},
}
