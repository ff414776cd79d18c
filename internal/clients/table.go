package clients

// clientTable is every client. "measured" cells were tried on the real client (the
// versions stand in docs/clients.md); "documentation" means that nobody has run
// it here. loop is what --with-loop adds.
func clientTable() []Client {
	return []Client{
		claudeCode(), codex(), cursor(), vscode(), gemini(), openCode(), windsurf(), zed(), cline(), goose(),
	}
}

func claudeCode() Client {
	return Client{ID: "claude-code", Name: "Claude Code",
		Evidence: "measured, both scopes, as a command and over HTTP",
		Approve: map[Scope]string{
			User:    "a Claude Code that is running rewrites this file and may drop the entry: restart it, and look with `ratchet doctor --clients`",
			Project: "Claude Code asks for approval of a project's servers when it starts",
		},
		Timeout: "stdio: no limit that matters; HTTP: 60 s without a sign of life, and Ratchet gives one every 10 s",
		format:  jsonFormat{}, path: []string{"mcpServers", EntryName},
		shape: shape{kind: "type", kindStdio: "stdio", kindHTTP: "http", command: "command", args: "args",
			url: "url", header: "headers", expand: "${" + TokenVariable + "}", timeout: "timeout", perSecond: 1000,
			// else a model sees Ratchet's tools only after it has searched for them
			fixed: []field{{path: []string{"alwaysLoad"}, value: true, isDefault: true}}},
		user:    []place{{variable, "CLAUDE_CONFIG_DIR:.claude.json"}, {home, ".claude.json"}},
		project: []place{{repo, ".mcp.json"}},
		folder:  []place{{home, ".claude"}}, binary: []string{"claude"},
		loop: []extra{
			{about: "skill", kind: markdownPage(skillText), project: []place{{repo, ".claude/skills/ratchet/SKILL.md"}},
				user: []place{{variable, "CLAUDE_CONFIG_DIR:skills/ratchet/SKILL.md"},
					{home, ".claude/skills/ratchet/SKILL.md"}}},
			{about: "hook", kind: hook{event: "Stop", perSecond: 1},
				project: []place{{repo, ".claude/settings.local.json"}},
				user:    []place{{variable, "CLAUDE_CONFIG_DIR:settings.json"}, {home, ".claude/settings.json"}}}},
	}
}

func codex() Client {
	return Client{ID: "codex", Name: "Codex",
		Evidence: "measured, both scopes, as a command and over HTTP",
		Approve: map[Scope]string{User: "Codex asks before tools that are marked destructive, and refuses them where nobody can be asked: revert and stop_run, which lose nothing, are approved in the entry",
			Project: "Codex reads a project's file only in a project that you trust; revert and stop_run are approved in the entry"},
		Timeout: "300 s unless tool_timeout_sec says otherwise",
		format:  tomlFormat{}, path: []string{"mcp_servers", EntryName},
		shape: shape{command: "command", args: "args", url: "url", bearer: "bearer_token_env_var",
			timeout: "tool_timeout_sec", perSecond: 1,
			fixed: []field{ // what a night must not stop at; both lose nothing
				{path: []string{"tools", "revert", "approval_mode"}, value: "approve", isDefault: true},
				{path: []string{"tools", "stop_run", "approval_mode"}, value: "approve", isDefault: true}}},
		user:    []place{{variable, "CODEX_HOME:config.toml"}, {home, ".codex/config.toml"}},
		project: []place{{repo, ".codex/config.toml"}},
		folder:  []place{{home, ".codex"}}, binary: []string{"codex"},
		loop: []extra{
			{about: "skill", kind: markdownPage(skillText), project: []place{{repo, ".agents/skills/ratchet/SKILL.md"}},
				user: []place{{home, ".agents/skills/ratchet/SKILL.md"}}},
			{about: "block", kind: block{agentsText}, project: []place{{repo, "AGENTS.md"}}},
			{about: "hook", kind: hook{event: "Stop", perSecond: 1}, project: []place{{repo, ".codex/hooks.json"}},
				user: []place{{variable, "CODEX_HOME:hooks.json"}, {home, ".codex/hooks.json"}}}},
		LoopNote: []string{"Codex runs a hook only after you have trusted it: /hooks in Codex, again after each change"},
	}
}

func cursor() Client {
	return Client{ID: "cursor", Name: "Cursor",
		Evidence: "documentation",
		Approve: map[Scope]string{User: "switch ratchet on in Cursor's settings, under MCP, if it is off",
			Project: "switch ratchet on in Cursor's settings, under MCP, if it is off"},
		Timeout: "not documented, and no key for it",
		format:  jsonFormat{}, path: []string{"mcpServers", EntryName},
		shape: shape{kind: "type", kindStdio: "stdio", command: "command", args: "args",
			here: []string{"-C", "${workspaceFolder}"}, url: "url", header: "headers",
			expand: "${env:" + TokenVariable + "}"},
		user:    []place{{home, ".cursor/mcp.json"}},
		project: []place{{repo, ".cursor/mcp.json"}},
		folder:  []place{{home, ".cursor"}}, binary: []string{"cursor", "cursor-agent"},
	}
}

func vscode() Client {
	return Client{ID: "vscode", Name: "VS Code",
		Evidence: "documentation",
		Approve: map[Scope]string{User: "VS Code asks whether you trust the server when it first starts",
			Project: "VS Code asks whether you trust the server when it first starts"},
		Timeout: "not documented, and no key for it",
		format:  jsonFormat{}, path: []string{"servers", EntryName},
		shape: shape{kind: "type", kindStdio: "stdio", kindHTTP: "http", command: "command", args: "args",
			url: "url", header: "headers", expand: "${env:" + TokenVariable + "}"},
		user:    []place{{appData, "Code/User/mcp.json"}},
		project: []place{{repo, ".vscode/mcp.json"}},
		folder:  []place{{appData, "Code"}, {home, ".vscode"}}, binary: []string{"code"},
	}
}

func gemini() Client {
	return Client{ID: "gemini", Name: "Gemini CLI",
		Evidence: "measured, both scopes, as a command and over HTTP",
		Approve: map[Scope]string{
			User:    "Gemini CLI starts no servers, not even the user's, in a folder that you have not trusted",
			Project: "Gemini CLI starts no servers in a folder that you have not trusted",
		},
		Timeout: "stdio: 600 s unless timeout says otherwise; HTTP: 60 s without a sign of life, and Ratchet gives one every 10 s",
		format:  jsonFormat{}, path: []string{"mcpServers", EntryName},
		shape: shape{command: "command", args: "args", url: "httpUrl", header: "headers", expand: "$" + TokenVariable,
			timeout: "timeout", perSecond: 1000},
		user:    []place{{home, ".gemini/settings.json"}},
		project: []place{{repo, ".gemini/settings.json"}},
		folder:  []place{{home, ".gemini"}}, binary: []string{"gemini"},
		loop: []extra{
			{about: "command", kind: page{render: geminiText, begin: "# "},
				project: []place{{repo, ".gemini/commands/ratchet.toml"}},
				user:    []place{{home, ".gemini/commands/ratchet.toml"}}},
			{about: "hook", kind: hook{event: "AfterAgent", perSecond: 1000, name: EntryName},
				project: []place{{repo, ".gemini/settings.json"}}, user: []place{{home, ".gemini/settings.json"}}}},
	}
}

func openCode() Client {
	return Client{ID: "opencode", Name: "opencode",
		Evidence: "measured with version 1, both scopes, as a command and over HTTP",
		Timeout:  "60 s unless timeout says otherwise",
		format:   jsonFormat{}, path: []string{"mcp", EntryName},
		shape: shape{kind: "type", kindStdio: "local", kindHTTP: "remote", command: "command", joined: true,
			url: "url", header: "headers", expand: "{env:" + TokenVariable + "}", timeout: "timeout", perSecond: 1000,
			fixed:     []field{{path: []string{"enabled"}, value: true, isDefault: true}},
			fixedHTTP: []field{{path: []string{"oauth"}, value: false, isDefault: true}}},
		user:    []place{{config, "opencode/opencode.json"}, {config, "opencode/opencode.jsonc"}},
		project: []place{{repo, "opencode.json"}, {repo, "opencode.jsonc"}},
		folder:  []place{{config, "opencode"}}, binary: []string{"opencode"},
		loop: []extra{
			{about: "command", kind: markdownPage(openCodeText),
				project: []place{{repo, ".opencode/commands/ratchet.md"}},
				user:    []place{{config, "opencode/commands/ratchet.md"}}},
			{about: "block", kind: block{agentsText}, project: []place{{repo, "AGENTS.md"}}}},
		LoopNote: []string{"opencode has no hook that holds an agent: the command tells it to go on, no more"},
	}
}

func windsurf() Client {
	return Client{ID: "windsurf", Name: "Windsurf",
		Evidence: "documentation",
		Approve:  map[Scope]string{User: "press refresh in Windsurf's list of MCP servers; it may start the server outside your repository: `ratchet -C REPOSITORY install windsurf` names one"},
		Timeout:  "not documented, and no key for it",
		format:   jsonFormat{}, path: []string{"mcpServers", EntryName},
		shape: shape{command: "command", args: "args", url: "serverUrl", header: "headers",
			expand: "${env:" + TokenVariable + "}"},
		user:   []place{{home, ".codeium/windsurf/mcp_config.json"}},
		folder: []place{{home, ".codeium/windsurf"}}, binary: []string{"windsurf"},
	}
}

func zed() Client {
	return Client{ID: "zed", Name: "Zed",
		Evidence: "documentation",
		Approve:  map[Scope]string{Project: "Zed asks whether you trust the folder"},
		Timeout:  "60 s; its key changed from milliseconds to seconds between versions, so it is left alone",
		format:   jsonFormat{}, path: []string{"context_servers", EntryName},
		shape:   shape{command: "command", args: "args", url: "url", header: "headers"},
		user:    []place{{windows, "Zed/settings.json"}, {config, "zed/settings.json"}},
		project: []place{{repo, ".zed/settings.json"}},
		folder:  []place{{windows, "Zed"}, {config, "zed"}}, binary: []string{"zed", "zeditor"},
	}
}

func cline() Client {
	const settings = "globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"

	return Client{ID: "cline", Name: "Cline",
		Evidence: "documentation and its published source",
		Approve:  map[Scope]string{User: "Cline may start the server outside your repository: `ratchet -C REPOSITORY install cline` names one"},
		Timeout:  "60 s unless timeout says otherwise",
		format:   jsonFormat{}, path: []string{"mcpServers", EntryName},
		shape: shape{kind: "type", kindStdio: "stdio", kindHTTP: "streamableHttp", command: "command", args: "args",
			url: "url", header: "headers", timeout: "timeout", perSecond: 1},
		user: []place{
			{variable, "CLINE_MCP_SETTINGS_PATH:"},
			{appData, "Code/User/" + settings},
			{appData, "Cursor/User/" + settings},
			{appData, "Windsurf/User/" + settings},
			{appData, "VSCodium/User/" + settings},
			{home, ".cline/data/settings/cline_mcp_settings.json"},
		},
		folder: []place{{appData, "Code/User/globalStorage/saoudrizwan.claude-dev"},
			{appData, "Cursor/User/globalStorage/saoudrizwan.claude-dev"}, {home, ".cline"}},
		binary: []string{"cline"},
	}
}

func goose() Client {
	return Client{ID: "goose", Name: "goose",
		Evidence: "documentation",
		Timeout:  "300 s, as timeout says",
		format:   yamlFormat{}, path: []string{"extensions", EntryName},
		shape: shape{kind: "type", kindStdio: "stdio", kindHTTP: "streamable_http", command: "cmd", args: "args",
			url: "uri", header: "headers", expand: "${" + TokenVariable + "}", timeout: "timeout", perSecond: 1,
			fixed: []field{
				{path: []string{"enabled"}, value: true, isDefault: true},
				{path: []string{"name"}, value: EntryName, isDefault: true},
				{path: []string{"description"}, value: "research loop: edit, run, measure, keep or revert",
					isDefault: true}},
			fixedHTTP: []field{{path: []string{"env_keys"}, value: []string{TokenVariable}, isDefault: true}}},
		user:   []place{{windows, "Block/goose/config/config.yaml"}, {config, "goose/config.yaml"}},
		folder: []place{{windows, "Block/goose"}, {config, "goose"}}, binary: []string{"goose"},
	}
}
