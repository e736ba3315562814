"""What carries out actions: one folder for each, behind the one protocol of ``base``, listed in ``registry``.

A folder has these modules, as far as its action needs them:

executor.py   the attempts, where they are not asyncio tasks of the operator (``InProcess`` runs those)
work.py       what one attempt does, in which order
target.py     its conversation with the target: connecting, asking, the log of it
wire.py       the driver or protocol underneath;  login.py  how it proves who asks
answers.py    what the target answers, as values of our own and as CEL sees it
words.py      what people are told: messages, hints
ending.py     what the end of something that runs elsewhere means for the attempt
"""
