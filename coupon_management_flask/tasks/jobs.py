"""Everything that runs in the background: the topics of the outbox and the periodic jobs."""

from datetime import timedelta

from ..analytics.figures import counting, rollup
from ..auth import reset_mail
from ..discount_coupons.bulk import batches, parts
from ..discount_coupons.webhooks import service as webhook_service
from ..email_coupons import mailer as coupon_mailer
from ..messaging.loop import Background, Job
from ..messaging.mail import sender
from ..messaging.outbox import Topic
from ..messaging.webhooks import delivery
from ..messaging.webhooks import recording as webhooks
from ..payments.cards import reconciliation
from . import purge

BACKGROUND = Background(
    topics={
        coupon_mailer.TOPIC: Topic(coupon_mailer.deliver, only_while=sender.is_configured),
        reset_mail.TOPIC: Topic(reset_mail.deliver, only_while=sender.is_configured),
        webhooks.TOPIC: Topic(
            webhook_service.deliver, lanes=delivery.lanes, at_once=delivery.AT_ONCE
        ),
        batches.TOPIC: Topic(parts.make_more),
    },
    jobs={
        "purge": Job(timedelta(hours=1), purge.work),
        "figures": Job(rollup.EVERY, rollup.roll_up),
        "coupon-counts": Job(counting.COUNT_EVERY, counting.count_coupons),
        "reconcile payments": Job(reconciliation.EVERY, reconciliation.work),
    },
)
