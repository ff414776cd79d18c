package contract

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

const maxTargets = 16

// kindsOfTarget are the keys of which a target has exactly one.
const kindsOfTarget = "command, webhook, ntfy, desktop or hook"

func stallFields(s *Stall) []field {
	return []field{
		{"experiments", false, wholeNumber(&s.Experiments, 2, 1_000_000)},
		{"hours", false, hours(&s.Hours)},
	}
}

func targetFields(t *Target) []field {
	return []field{
		{"command", false, command(&t.Command)},
		{"webhook", false, text(&t.Webhook, address(false))},
		{"ntfy", false, text(&t.Ntfy, address(true))},
		{"desktop", false, onlyTrue(&t.Desktop)},
		{"hook", false, text(&t.Hook, filePath)},
		{"secret_env", false, text(&t.SecretEnv, variable)},
		{"token_env", false, text(&t.TokenEnv, variable)},
		{"click", false, text(&t.Click, func(s string) (string, string) {
			_, hint := CheckAddress(s, false, false)
			return s, hint
		})},
		{"on", false, events(&t.On)},
	}
}

// targets reads notify: a list of targets, or one.
func targets(to *[]Target) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		nodes := node.Content
		if node.Kind != yaml.SequenceNode {
			nodes = []*yaml.Node{node}
		}

		if len(nodes) > maxTargets {
			dec.faultAt(node, "%s has %d entries; at most %d are accepted", key, len(nodes), maxTargets)
			return
		}

		for i, item := range nodes {
			name := targetKey(i)
			if item.Kind != yaml.MappingNode {
				dec.faultAt(item, "%s must be a mapping such as {command: ./tell.sh}; one of %s", name, kindsOfTarget)
				continue
			}
			var target Target
			dec.lines[name] = item.Line + 1
			dec.readMapping(name, item, targetFields(&target))
			*to = append(*to, target)
		}
	}
}

// targetKey is how messages name the target at index i.
func targetKey(i int) string { return fmt.Sprintf("notify[%d]", i+1) }

// address accepts a URL, or env:NAME.
func address(topic bool) item {
	return func(s string) (string, string) {
		if name, ok := strings.CutPrefix(s, "env:"); ok {
			if !variableForm.MatchString(name) {
				return "", "write env:NAME with the name of a variable, such as env:TEAM_WEBHOOK"
			}

			return s, ""
		}
		_, hint := CheckAddress(s, topic, false)

		return s, hint
	}
}

// onlyTrue accepts true alone: what is not wanted is left out.
func onlyTrue(to *bool) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		s, ok := dec.readScalar(key, node)
		if ok && s != "true" {
			dec.faultValue(key, node, "write true, or leave the entry out")
		}
		*to = s == "true"
	}
}

// events accepts a list of events, or one.
func events(to *[]Event) reader {
	return func(dec *decoder, key string, node *yaml.Node) {
		known := append(Events(), HookBefore, HookAfter)
		var names []string
		list(&names, true, func(s string) (string, string) {
			if !slices.Contains(known, Event(s)) {
				return "", validHint(s, known)
			}

			return s, ""
		})(dec, key, node)

		for _, s := range names {
			*to = append(*to, Event(s))
		}
	}
}

// checkNotify refuses targets that are several or none, and keys of another kind.
func (d *decoder) checkNotify() {
	for i, t := range d.program.Notify {
		d.checkTarget(targetKey(i), t)
		d.checkSecrets(targetKey(i), t)
	}
}

// checkTarget refuses a target, named key, that is several or none, or has keys of another kind.
func (d *decoder) checkTarget(key string, target Target) {
	kinds := 0

	for _, given := range []bool{target.Command != "", target.Webhook != "", target.Ntfy != "", target.Desktop,
		target.Hook != ""} {
		if given {
			kinds++
		}
	}

	isHookEvent := func(e Event) bool { return e == HookBefore || e == HookAfter }
	hasHookEvent := slices.ContainsFunc(target.On, isHookEvent)
	hasOtherEvent := slices.ContainsFunc(target.On, func(e Event) bool { return !isHookEvent(e) })
	_, topicHint := CheckAddress(target.Ntfy, true, target.TokenEnv != "")

	switch {
	case kinds != 1:
		d.faultAbout(key, "%s needs exactly one of %s", key, kindsOfTarget)
	case target.SecretEnv != "" && target.Webhook == "":
		d.faultAbout(key+".secret_env", "%s.secret_env signs a webhook; this target is none", key)
	case (target.TokenEnv != "" || target.Click != "") && target.Ntfy == "":
		d.faultAbout(key, "%s has token_env or click, which belong to ntfy", key)
	case target.TokenEnv != "" && !strings.HasPrefix(target.Ntfy, "env:") && topicHint != "":
		d.faultAbout(key+".token_env", "%s.token_env can't go to this address: %s", key, topicHint)
	case target.Hook != "" && (len(target.On) == 0 || hasOtherEvent):
		d.faultAbout(key, "%s is a hook: say on: before or on: after", key)
	case target.Hook == "" && hasHookEvent:
		d.faultAbout(key+".on", "%s.on: before and after are for hooks; valid: %s", key,
			strings.TrimPrefix(validHint("", Events()), "valid: "))
	}
}

// checkSecrets refuses to hand a target's secret to runs, whose code is the agent's.
func (d *decoder) checkSecrets(key string, target Target) {
	webhook, _ := strings.CutPrefix(target.Webhook, "env:")

	topic, _ := strings.CutPrefix(target.Ntfy, "env:")
	for _, name := range []string{target.SecretEnv, target.TokenEnv, webhook, topic} {
		if name != "" && slices.Contains(d.program.Env, name) {
			d.faultAbout("env", "env lets runs read %s, which is a secret of %s", name, key)
		}
	}
}
