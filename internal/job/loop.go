package job

import (
	"ratchet/internal/checkout"
	"ratchet/internal/research"
	"ratchet/internal/research/history"
)

// RequireMeasurable refuses any run: the campaign is over, the contract changed, or the
// start version does not work.
func RequireMeasurable(co *checkout.Checkout, c *history.Campaign) error {
	if err := checkout.RequireBudget(c); err != nil {
		return err
	}

	if err := co.RequireAcceptedContract(c); err != nil {
		return err
	}

	if c.Broken != "" {
		return research.Errorf(research.CodeProgram, mendBroken,
			"the start version gives no usable metric: %s", c.Broken)
	}

	return nil
}
