"""A mail server that says what it got."""
import asyncio
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message


class Say(Message):
    def handle_message(self, message):
        lines = message.get_payload().split("\n")
        print(message["X-MailFrom"], message["X-RcptTo"], message["Subject"], len(lines), flush=True)


Controller(Say(), hostname="127.0.0.1", port=2525).start()
asyncio.new_event_loop().run_forever()
