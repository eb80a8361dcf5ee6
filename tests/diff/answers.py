"""What the C driver must answer: the reference codec's view of an input, in the driver's words."""

import collections

from inputs import ALPHABET, DETECT, ECHO, LIST, RECORD

PARTS_MOST = 32                  # as in the driver


class Oracle:
    """What the driver must answer, worked out by the reference codec."""

    def __init__(self, codec):
        self.codec = codec
        self.verdicts = collections.Counter()
        self.ready_field = codec.COMMANDS[LIST]["fields"][0]

    def answer(self, item):
        return getattr(self, "answer_" + item.kind)(item)

    def closing(self, verdict):
        self.verdicts[verdict.err, verdict.rule] += 1
        return f"{verdict.err} {verdict.rule or 'none'} {verdict.at}\n"

    @staticmethod
    def fields(record, names):
        values = ((name, record[name]) for name in names)
        return "".join(f" {name}={value if isinstance(value, int) else value.hex()}" for name, value in values)

    def answer_greeting(self, item):
        codec = self.codec
        verdict = codec.decode_greeting(DETECT, item.octets, item.quirks)
        said, *whole = verdict.records
        text = (f"greeting form={said['form']} frames={said['frames']} speaks={said['speaks']} "
                f"replay={said['replay']} due={codec.due(DETECT, item.octets)}")
        for record in whole:
            fields = codec.LAYOUTS[f"{DETECT}.{said['form']}"]["fields"]
            chosen = {field["name"]: record[field["name"]] for field in fields if isinstance(field.get("send"), str)}
            text += f"{self.fields(record, record)} encoded={codec.encode_fields(fields, chosen).hex()}"
        return f"{text}\n{self.closing(verdict)}"

    def answer_frames(self, item):
        codec = self.codec
        limits = {"max_frame_bytes": item.limit, "max_command_bytes": item.other}
        verdict = codec.decode_stream(item.own, item.octets, item.quirks, limits)
        lines = [f"frame flags={record['flags']} size={record['size']} "
                 f"encoded={codec.encode_frame_head(item.own, record['flags'], record['size']).hex()} "
                 f"body={record['body'].hex()}{' open' if 'open' in record else ''}\n" for record in verdict.records]
        return "".join(lines) + self.closing(verdict)

    def answer_command(self, item):
        codec = self.codec
        verdict = codec.decode_command(item.own, item.octets, item.quirks, item.other)
        text = ""
        for record in verdict.records:
            name = record["id"]
            if name is None:
                text = "unknown\n"
                continue
            fields = codec.COMMANDS[name].get("fields", ())
            chosen = {field["name"]: record[field["name"]] for field in fields
                      if not isinstance(field.get("value", field.get("send")), int)}
            again = codec.encode_command(name, chosen, strict=False)
            text = f"{name}{self.fields(record, [field['name'] for field in fields])} encoded={again.hex()}\n"
        return text + self.closing(verdict)

    def records(self, item, missing):
        return self.codec.decode_records(RECORD, item.octets, item.limit, "max_properties", item.quirks, missing)

    def answer_metadata(self, item):
        verdict = self.records(item, item.other)
        lines = [f"property{self.fields(record, record)} "
                 f"encoded={self.codec.encode_records(RECORD, [record], strict=False).hex()}\n"
                 for record in verdict.records if verdict.err == "OK"]
        return "".join(lines) + self.closing(verdict)

    def answer_ready(self, item):
        verdict = self.records(item, 0)
        text = self.closing(verdict)
        if verdict.err != "OK":
            return text
        checked = self.codec.check_keys(self.ready_field, verdict.records, item.own, item.quirks)
        for values in checked.records:
            names = [key["name"] for key in self.ready_field["keys"]]
            values = {name: values.get(name, b"") for name in names}
            if not values["Socket-Type"]:
                values["Socket-Type"] = b"none"
            text += f"ready{self.fields(values, names)}\n"
        return text + self.closing(checked)

    def parts(self, octets):
        """A message's frames, each as long as its header says."""
        stream = self.codec.decode_stream(self.codec.STREAMS[-1], octets, self.codec.COMPAT)
        return [record["body"] for record in stream.records if "open" not in record][:PARTS_MOST]

    def answer_message(self, item):
        codec, name = self.codec, item.own
        message = codec.MESSAGES[name]
        verdict = codec.decode_message(name, self.parts(item.octets), item.quirks, ECHO)
        self.verdicts[verdict.err, verdict.rule] += 1
        text = ""
        for record in verdict.records:
            shown = [field["name"] for field in message["fields"]
                     if field["name"] in record or field["name"] not in self.fixed(message)]
            values = {**dict.fromkeys(shown, b""), **record}
            sent = codec.encode_message(name, record)
            if codec.decode_message(name, sent, frozenset(), record["request_id"]).err != "OK":
                sent = []                            # what a quirk let in is not sent
            text += (f"{name}{self.fields(values, [each for each in shown if each not in self.fixed(message)])}"
                     f"{''.join(f' sent={frame.hex()}' for frame in sent)}\n")
        broken = next((field for field in message["fields"] if field["id"] == verdict.rule), message)
        fault = broken.get("fault", message["fault"])[0].replace("_", " ") if verdict.rule else "none"
        return f"{text}{fault} {verdict.rule or 'none'}\n"

    @staticmethod
    def fixed(message):
        """The fields that always hold the same."""
        return {field["name"] for field in message["fields"] if "text" in field or field["size"] == (0, 0)}

    def answer_text(self, item):
        """The octets taken for a text, and for what a text is to be made of."""
        verdict = self.codec.decode_text(ALPHABET, item.octets.decode("latin-1"))
        self.verdicts[verdict.err, verdict.rule] += 1
        octets = "".join(f" octets={record['octets'].hex()}" for record in verdict.records)
        try:
            text = f" text={self.codec.encode_text(ALPHABET, item.octets).encode().hex()}"
        except ValueError:
            text = ""
        return f"decoded{octets}\nencoded{text}\n"

    def answer_box(self, item):
        """A number as the octets that it came as: the quirk that lets in its reserved bits reads them over."""
        verdict = self.codec.decode_box(item.own, item.octets, item.quirks)
        text, at = "", 0
        for field in self.codec.BOXES[item.own]["fields"] if verdict.records else ():
            value = verdict.records[0][field["name"]]
            size = self.codec.WIDTHS.get(field["type"]) or len(value)
            text, at = f"{text} {field['id']}={item.octets[at:at + size].hex()}", at + size
        return f"{text}\n{self.closing(verdict)}"

    def can_break(self, field):
        """All but octets up to the end that may be any and any number."""
        if field["type"] in self.codec.WIDTHS or "chars" in field or "rest" not in field:
            return True
        low, high = field["size"]
        return field["type"] == "bytes" and (low > 0 or high < self.codec.CEILINGS["max_command_bytes"])

    def refusable(self):
        """The rules that some input of these kinds must break, or the inputs are worth little."""
        codec = self.codec
        found = {"limit.max_frame_bytes", "limit.max_command_bytes", "limit.max_properties"}
        decided = {stage["octet"] for stage in codec.DETECTS[DETECT]["stages"]}
        for layout in codec.LAYOUTS.values():
            at = 0
            for field in layout["fields"]:           # an octet that decides on the form is right in it, but for a quirk
                free = layout["form"] == "stream" or at not in decided or "quirks" in field
                if free and set(field) & {"value", "mask", "range", "chars", "bits"}:
                    found.add(field["id"])
                at += codec.WIDTHS.get(field["type"]) or field["size"][1] or 0
        units = [codec.STRUCTS[RECORD]]
        units += [codec.COMMANDS[name] for scope in codec.SCOPES.values() for name in scope.values()]
        for unit in units:
            found.update(field["id"] for field in unit.get("fields", ()) if self.can_break(field))
            found.update(() if "fields" in unit else (unit["id"],))
        found.update(f"{self.ready_field['id']}.{key['name']}" for key in self.ready_field["keys"])
        for message in codec.MESSAGES.values():
            found.update((message["id"], *(field["id"] for field in message["fields"])))
        found.update(field["id"] for box in codec.BOXES.values() for field in box["fields"] if self.can_break(field))
        return found | {f"alphabet.{ALPHABET}"}
