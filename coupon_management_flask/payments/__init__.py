"""All that sells and refunds, by card or with credit: `/api/payments`, part of `/api/vouchers`."""
