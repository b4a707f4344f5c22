"""Logs, alarms, and who hears of them."""

import json
from typing import Any

from tests.aws.emulator.kinds import Kind, Properties, lower


class LogGroup(Kind):
    type = "AWS::Logs::LogGroup"
    replaced_by = frozenset({"LogGroupName"})

    def create(self, properties: Properties) -> None:
        logs = self.client("logs")
        self.id = properties.get("LogGroupName") or self.name(512)
        logs.create_log_group(logGroupName=self.id)
        self._retain(properties)
        self.attributes = {"Arn": f"arn:aws:logs:{self.context.region}:{self.context.account}:log-group:{self.id}:*"}

    def _retain(self, properties: Properties) -> None:
        if days := properties.get("RetentionInDays"):
            self.client("logs").put_retention_policy(logGroupName=self.id, retentionInDays=int(days))

    def update(self, properties: Properties, before: Properties) -> None:
        self._retain(properties)

    def delete(self) -> None:
        self.client("logs").delete_log_group(logGroupName=self.id)


class MetricFilter(Kind):
    type = "AWS::Logs::MetricFilter"

    def create(self, properties: Properties) -> None:
        self.id = properties.get("FilterName") or self.name()
        self.client("logs").put_metric_filter(
            filterName=self.id,
            filterPattern=properties.get("FilterPattern", ""),
            logGroupName=properties["LogGroupName"],
            metricTransformations=[
                {
                    "metricName": one["MetricName"],
                    "metricNamespace": one["MetricNamespace"],
                    "metricValue": str(one["MetricValue"]),
                }
                for one in properties["MetricTransformations"]
            ],
        )

    def delete(self) -> None:
        self.client("logs").delete_metric_filter(filterName=self.id, logGroupName=self.properties["LogGroupName"])


class Alarm(Kind):
    type = "AWS::CloudWatch::Alarm"

    def create(self, properties: Properties) -> None:
        self.id = properties.get("AlarmName") or self.name()
        self._put(properties)
        arn = f"arn:aws:cloudwatch:{self.context.region}:{self.context.account}:alarm:{self.id}"
        self.attributes = {"Arn": arn}

    def _put(self, properties: Properties) -> None:
        numbers: dict[str, Any] = {
            name: int(properties[name])
            for name in ("Period", "EvaluationPeriods", "DatapointsToAlarm")
            if name in properties
        }
        names = (
            *("AlarmDescription", "ComparisonOperator", "MetricName", "Namespace", "Statistic", "ExtendedStatistic"),
            *("Dimensions", "TreatMissingData", "Unit", "Metrics", "AlarmActions", "OKActions"),
        )
        self.client("cloudwatch").put_metric_alarm(
            AlarmName=self.id, Threshold=float(properties["Threshold"]), **lower(properties, *names), **numbers
        )

    def update(self, properties: Properties, before: Properties) -> None:
        self._put(properties)

    def delete(self) -> None:
        self.client("cloudwatch").delete_alarms(AlarmNames=[self.id])


class Topic(Kind):
    type = "AWS::SNS::Topic"

    def create(self, properties: Properties) -> None:
        name = properties.get("TopicName") or self.name()
        self.id = self.client("sns").create_topic(Name=name)["TopicArn"]
        self.attributes = {"TopicArn": self.id, "TopicName": name}

    def delete(self) -> None:
        self.client("sns").delete_topic(TopicArn=self.id)


class TopicPolicy(Kind):
    type = "AWS::SNS::TopicPolicy"

    def create(self, properties: Properties) -> None:
        self.id = self.name()
        document = json.dumps(properties["PolicyDocument"])
        for topic in properties["Topics"]:
            self.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document)

    def delete(self) -> None:
        """It goes with its topic."""


class Subscription(Kind):
    type = "AWS::SNS::Subscription"

    def create(self, properties: Properties) -> None:
        answer = self.client("sns").subscribe(
            TopicArn=properties["TopicArn"],
            Protocol=properties["Protocol"],
            Endpoint=properties["Endpoint"],
            ReturnSubscriptionArn=True,
        )
        self.id = answer["SubscriptionArn"]

    def delete(self) -> None:
        self.client("sns").unsubscribe(SubscriptionArn=self.id)


class Rule(Kind):
    type = "AWS::Events::Rule"

    def create(self, properties: Properties) -> None:
        events = self.client("events")
        self.id = properties.get("Name") or self.name(64)
        pattern = {"EventPattern": json.dumps(found)} if (found := properties.get("EventPattern")) else {}
        answer = events.put_rule(
            Name=self.id, **lower(properties, "Description", "ScheduleExpression", "State"), **pattern
        )
        self.attributes = {"Arn": answer["RuleArn"]}
        if targets := properties.get("Targets"):
            events.put_targets(Rule=self.id, Targets=targets)

    def delete(self) -> None:
        events = self.client("events")
        if targets := self.properties.get("Targets"):
            events.remove_targets(Rule=self.id, Ids=[target["Id"] for target in targets])
        events.delete_rule(Name=self.id)
