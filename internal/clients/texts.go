package clients

import "strings"

// The texts that tell an agent of the loop. The guide itself comes from the
// caller; what stands here says when it applies, and when it ends.

const skillAbout = "Runs Ratchet's research loop on this repository: edit, run under a fixed budget, measure, keep or revert, repeat. " +
	"Use it when asked to start, resume or go on with a campaign, an experiment loop, or an unattended optimisation with ratchet."

const commandAbout = "Start Ratchet's campaign in this repository, or go on with it, while it has budget"

// loopText is the guide with its beginning and its end.
func loopText(l Loop) string {
	return "The tools are those of the MCP server `ratchet`. First `start_campaign{}`, which starts or resumes; where there is no program.md, " +
		"`read_log{view:\"guide\",query:\"setup\"}` says how to write one with your human.\n\n" +
		strings.TrimSpace(l.Guide) + "\n\n" +
		"**The end.** Go on without asking while the campaign has budget. An error with the code `loop_stopped` says that somebody ran `ratchet stop`: " +
		"decide what is open, tell what was found, and end your turn. If your human asks you to stop, run `ratchet stop` for them. " +
		"Only a person lets it go on again.\n"
}

func skillText(l Loop) string {
	return "---\nname: ratchet\ndescription: " + quoteText(skillAbout) + "\n---\n\n" + loopText(l) + "\n"
}

func openCodeText(l Loop) string {
	return "---\ndescription: " + quoteText(commandAbout) + "\n---\n\n" + loopText(l) + "\n$ARGUMENTS\n\n"
}

// geminiText is TOML; the prompt is a literal text, in which nothing is escaped.
func geminiText(l Loop) string {
	return "description = " + quoteText(commandAbout) + "\nprompt = '''\n" + loopText(l) + "'''\n\n"
}

// quoteText is text as a quoted string of YAML and TOML alike.
func quoteText(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

func agentsText(Loop) string {
	return "## Ratchet\n\n" +
		"When you are asked to start, resume or go on with a campaign or an experiment loop in this repository, use the tools of the MCP server `ratchet`: " +
		"`start_campaign{}` first, then follow the next step of every answer. `read_log{view:\"guide\",query:\"loop\"}` has the rules. " +
		"Go on without asking while the campaign has budget. When an answer has the code `loop_stopped`, or your human asks you to stop (run `ratchet stop` for them): " +
		"decide what is open, tell what was found, and end your turn.\n"
}

// markdownPage is a page whose signature is a comment of Markdown.
func markdownPage(render func(Loop) string) page {
	return page{render: render, begin: "<!-- ", finish: " -->"}
}
