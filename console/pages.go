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
		asks: []string{
			"GET /runs/{run}", "GET /runs/{run}/hosts", "GET /runs/{run}/hosts/{host}", "GET /runs/{run}/hosts/{host}/output", "GET /runs/{run}/events", "GET /hosts/{host}",
		},
	},
	{pattern: "GET /runs/{run}/plan", asks: []string{"GET /runs/{run}", "GET /runs/{run}/plan"}, tab: "runs", show: showRunPlan},
	{pattern: "GET /runs/{run}/events", asks: []string{"GET /runs/{run}", "GET /runs/{run}/events"}, tab: "runs", show: showRunEvents},
	{pattern: "GET /runs/{run}/kill", asks: []string{"GET /runs/{run}", "GET /runs/{run}/groups"}, tab: "runs", show: showKill},
	{pattern: "POST /runs/{run}/kill", asks: []string{"GET /runs/{run}", "GET /runs/{run}/groups", "POST /runs/{run}/kill"}, tab: "runs", show: takeKill},
	{pattern: "GET /runs/{run}/rerun", asks: []string{"GET /runs/{run}"}, tab: "runs", show: showRerun},
	{pattern: "POST /runs/{run}/rerun", asks: []string{"GET /runs/{run}", "POST /runs/{run}/rerun"}, tab: "runs", show: takeRerun},
	{pattern: "GET /runs/{run}/diff", asks: []string{"GET /runs/{run}", "GET /runs", "GET /runs/{run}/diff"}, tab: "runs", show: showDiff},

	{pattern: "GET /jobs", asks: []string{"GET /jobs"}, tab: "jobs", show: showJobs},
	{pattern: "GET /jobs/new", tab: "jobs", show: showJobForm},
	{pattern: "POST /jobs/new", asks: []string{"POST /jobs"}, tab: "jobs", show: addJob},
	{pattern: "GET /jobs/{job}", asks: []string{"GET /jobs/{job}", "GET /jobs/{job}/log"}, tab: "jobs", show: showJob},
	{pattern: "GET /jobs/{job}/outcomes", asks: []string{"GET /jobs/{job}", "GET /jobs/{job}/outcomes"}, tab: "jobs", show: showOutcomes},
	{pattern: "GET /jobs/{job}/edit", asks: []string{"GET /jobs/{job}"}, tab: "jobs", show: showJobEdit},
	{pattern: "POST /jobs/{job}/edit", asks: []string{"GET /jobs/{job}", "PATCH /jobs/{job}"}, tab: "jobs", show: changeJob},
	{pattern: "GET /jobs/{job}/yaml", asks: []string{"GET /jobs/{job}", "GET /export"}, tab: "jobs", show: showJobYAML},
	{pattern: "POST /jobs/{job}/yaml", asks: []string{"POST /apply", "GET /jobs/{job}", "GET /export"}, tab: "jobs", show: changeJobYAML},
	{pattern: "GET /jobs/{job}/remove", asks: []string{"GET /jobs/{job}"}, tab: "jobs", show: showJobRemoval},
	{pattern: "POST /jobs/{job}/remove", asks: []string{"DELETE /jobs/{job}"}, tab: "jobs", show: removeJob},
	{pattern: "POST /jobs/{job}/restore", asks: []string{"POST /jobs/{job}/restore"}, tab: "jobs", show: restoreJob},
	{pattern: "POST /jobs/{job}/run", asks: []string{"POST /jobs/{job}/run"}, tab: "jobs", show: runJob},
	{pattern: "GET /jobs/{job}/pause", asks: []string{"GET /jobs/{job}"}, tab: "jobs", show: showPause},
	{pattern: "POST /jobs/{job}/pause", asks: []string{"POST /jobs/{job}/pause", "GET /jobs/{job}"}, tab: "jobs", show: pauseJob},
	{pattern: "POST /jobs/{job}/resume", asks: []string{"POST /jobs/{job}/resume"}, tab: "jobs", show: resumeJob},
	{pattern: "GET /calendar", asks: []string{"GET /schedule"}, tab: "calendar", show: showCalendar},

	{pattern: "GET /hosts", asks: []string{"GET /hosts"}, tab: "hosts", show: showHosts},
	{pattern: "GET /hosts/{host}", asks: []string{"GET /hosts/{host}"}, tab: "hosts", show: showHost},
	{pattern: "POST /hosts/{host}/ping", asks: []string{"POST /hosts/{host}/ping"}, tab: "hosts", show: pingHost},
	{
		pattern: "POST /hosts/{host}/maintenance", tab: "hosts", show: restHost,
		asks: []string{"PUT /hosts/{host}/maintenance", "DELETE /hosts/{host}/maintenance"},
	},
	{pattern: "GET /queue", asks: []string{"GET /queue", "GET /controllers"}, tab: "queue", show: showQueue},
	{
		pattern: "POST /controllers/{controller}", tab: "queue", show: drainController,
		asks: []string{"PUT /controllers/{controller}/drain", "DELETE /controllers/{controller}/drain"},
	},
	{pattern: "POST /queue/{run}", asks: []string{"PATCH /queue/{run}"}, tab: "queue", show: moveRun},

	{pattern: "GET /notifications", asks: []string{"GET /notifications"}, tab: "notifications", show: showNotifications},
	{pattern: "POST /notifications/{id}", asks: []string{"POST /notifications/{id}/retry"}, tab: "notifications", show: retryNotification},
	{pattern: "GET /audit", asks: []string{"GET /audit"}, tab: "audit", show: showAudit},
	{pattern: "GET /access", asks: []string{"GET /users", "GET /tokens"}, tab: "access", show: showAccess},
	{pattern: "POST /access/users", asks: []string{"POST /users", "GET /users", "GET /tokens"}, tab: "access", show: addUser},
	{pattern: "POST /access/users/{user}", asks: []string{"PATCH /users/{user}", "GET /users", "GET /tokens"}, tab: "access", show: changeUser},
	{pattern: "GET /access/users/{user}/remove", tab: "access", show: showRemoval("user", "/access/users/{user}")},
	{pattern: "POST /access/users/{user}/remove", asks: []string{"DELETE /users/{user}"}, tab: "access", show: removeAccess("user", "/users/{user}")},
	{pattern: "POST /access/tokens", asks: []string{"POST /tokens", "GET /users", "GET /tokens"}, tab: "access", show: addToken},
	{pattern: "GET /access/tokens/{token}/remove", tab: "access", show: showRemoval("token", "/access/tokens/{token}")},
	{pattern: "POST /access/tokens/{token}/remove", asks: []string{"DELETE /tokens/{token}"}, tab: "access", show: removeAccess("token", "/tokens/{token}")},
	{pattern: "GET /account", tab: "account", show: showAccount},
	{pattern: "POST /account/password", asks: []string{"PUT /session/password"}, tab: "account", show: changePassword},
	{pattern: "GET /help", tab: "help", show: showHelp},
}
