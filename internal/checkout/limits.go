package checkout

import (
	"time"
)

// HooksWithin is how long the hooks of one call may take together: clients give
// up on a call after a minute.
const HooksWithin = 50 * time.Second

// CommandLimit is how long a person's own command or hook may take.
const CommandLimit = 30 * time.Second
