"""How people ask. Each list holds templates of one task; {a} and {b} are numbers, {w} a word, {c} a letter, {l} a list."""

ADD = ["What is {a} + {b}?", "What is {a} + {b}?", "{a} + {b}", "{a}+{b}", "{a}+{b}=", "{a} + {b} =", "{a} + {b} = ?", "{a}+{b}=?", "What is {a}+{b}?", "What's {a} + {b}?",
       "Calculate {a} + {b}.", "Calculate {a} plus {b}.", "Compute {a} + {b}.", "Compute {a}+{b}.", "Add {a} and {b}.", "Add {a} to {b}.", "Please add {a} and {b}.",
       "What is {a} plus {b}?", "{a} plus {b}", "How much is {a} + {b}?", "How much is {a} plus {b}?", "What is the sum of {a} and {b}?", "Find the sum of {a} and {b}.",
       "Can you add {a} and {b}?", "Can you compute {a} + {b}?", "Tell me {a} + {b}.", "Solve {a} + {b}.", "Solve: {a} + {b}", "Please calculate {a} + {b}.",
       "I have {a} apples and get {b} more. How many do I have?"]
SUBTRACT = ["What is {a} - {b}?", "What is {a} - {b}?", "{a} - {b}", "{a}-{b}", "{a}-{b}=", "{a} - {b} =", "{a} - {b} = ?", "{a}-{b}=?", "What is {a}-{b}?", "What's {a} - {b}?",
            "Calculate {a} - {b}.", "Calculate {a} minus {b}.", "Compute {a} - {b}.", "Compute {a}-{b}.", "Subtract {b} from {a}.", "Please subtract {b} from {a}.",
            "What is {a} minus {b}?", "{a} minus {b}", "How much is {a} - {b}?", "How much is {a} minus {b}?", "Take {b} away from {a}.", "Can you subtract {b} from {a}?",
            "Can you compute {a} - {b}?", "Tell me {a} - {b}.", "Solve {a} - {b}.", "Solve: {a} - {b}", "Please calculate {a} - {b}.",
            "I have {a} apples and give away {b}. How many are left?"]
MULTIPLY = ["What is {a} * {b}?", "What is {a} x {b}?", "{a} * {b}", "{a}*{b}", "{a}*{b}=", "{a} x {b}", "{a}x{b}", "{a} * {b} = ?", "What is {a}*{b}?", "What's {a} * {b}?",
            "Calculate {a} * {b}.", "Calculate {a} times {b}.", "Compute {a} * {b}.", "Multiply {a} by {b}.", "Multiply {a} and {b}.", "Please multiply {a} by {b}.",
            "What is {a} times {b}?", "{a} times {b}", "How much is {a} * {b}?", "How much is {a} times {b}?", "What is the product of {a} and {b}?",
            "Find the product of {a} and {b}.", "Can you multiply {a} by {b}?", "Tell me {a} * {b}.", "Solve {a} * {b}.", "Solve: {a} * {b}", "What is {a} \u00d7 {b}?"]
LARGER = ["Which is larger, {a} or {b}?", "Which is bigger, {a} or {b}?", "Which is greater, {a} or {b}?", "Which number is larger, {a} or {b}?", "Which number is bigger: {a} or {b}?",
          "What is larger, {a} or {b}?", "What is the larger of {a} and {b}?", "Find the larger of {a} and {b}.", "Which is more, {a} or {b}?", "Tell me the larger number: {a} or {b}.",
          "What is the maximum of {a} and {b}?", "larger: {a} or {b}?"]
SMALLER = ["Which is smaller, {a} or {b}?", "Which is less, {a} or {b}?", "Which number is smaller, {a} or {b}?", "Which number is smaller: {a} or {b}?", "What is smaller, {a} or {b}?",
           "What is the smaller of {a} and {b}?", "Find the smaller of {a} and {b}.", "Tell me the smaller number: {a} or {b}.", "What is the minimum of {a} and {b}?", "smaller: {a} or {b}?"]
IS_GREATER = ["Is {a} greater than {b}?", "Is {a} larger than {b}?", "Is {a} bigger than {b}?", "Is {a} more than {b}?", "Is {a} > {b}?"]
IS_LESS = ["Is {a} less than {b}?", "Is {a} smaller than {b}?", "Is {a} < {b}?"]
COMPARE = ["Compare {a} and {b}.", "Compare {a} with {b}."]
SORT_UP = ["Sort {l}.", "Sort the numbers {l}.", "Sort the list {l}.", "Sort this list: {l}", "Sort these numbers: {l}", "Please sort {l}.", "Can you sort {l}?", "Sort {l} in ascending order.",
           "Sort {l} in increasing order.", "Sort {l} from smallest to largest.", "Sort these numbers from smallest to largest: {l}", "Put {l} in order.",
           "Put the numbers {l} in ascending order.", "Arrange {l} in ascending order.", "Order {l} from smallest to largest.", "sort: {l}"]
SORT_DOWN = ["Sort {l} in descending order.", "Sort {l} in decreasing order.", "Sort {l} from largest to smallest.", "Sort these numbers from largest to smallest: {l}",
             "Put the numbers {l} in descending order.", "Arrange {l} in descending order.", "Order {l} from largest to smallest.", "Please sort {l} in descending order."]
COUNT = ["How many times does the letter {c} appear in {w}?", "How many times does {c} appear in {w}?", "How many {c}'s are in {w}?", "How many {c}s are in {w}?",
         "How many {c} are in the word {w}?", "How many {c}'s are there in {w}?", "How many letters {c} are in {w}?", "Count the letter {c} in {w}.", "Count the {c}'s in {w}.",
         "Count the letter {c} in the word {w}.", "How often does {c} appear in {w}?", "How many {c}'s does {w} have?"]
LENGTH = ["How many letters are in {w}?", "How many letters are in the word {w}?", "How many letters does {w} have?", "Count the letters in {w}.", "Count the letters of {w}.",
          "How long is the word {w}?", "What is the length of {w}?"]
REVERSE = ["Reverse {w}.", "Reverse the word {w}.", "Reverse the letters of {w}.", "Reverse the string {w}.", "Please reverse {w}.", "Please reverse the word {w}.", "Can you reverse {w}?",
           "Spell {w} backwards.", "Write {w} backwards.", "What is {w} spelled backwards?", "What is {w} in reverse?", "How do you spell {w} backwards?", "reverse: {w}", "Say {w} backwards."]

HELLO, WHO, CAN, THANKS, BYE, HOW = "hello", "who", "can", "thanks", "bye", "how"
CHAT = {
    HELLO: (["Hello", "Hi", "Hey", "Hello there", "Hi there", "Hey there", "Good morning", "Good evening", "Good afternoon", "Good day", "Greetings", "Hello, model", "Hi, how can you help?"],
            "The user says hello.", "Hello! How can I help you today?"),
    HOW: (["How are you", "How are you today", "How are you doing", "How do you do", "How is it going", "Hello, how are you", "Hi, how are you", "What's up"],
          "The user asks how I am.", "I am well, thank you! How can I help you?"),
    WHO: (["Who are you", "What are you", "What is your name", "Tell me who you are", "Who am I talking to", "What's your name", "Please introduce yourself", "Introduce yourself",
           "Hi, who are you", "Hello, who are you", "Tell me about yourself", "Which model are you", "What model are you", "Are you a model", "Are you a human", "Who made you"],
          "The user asks who I am.", "I am Conclave Mini, a small mixture-of-experts model that thinks in steps before it answers."),
    CAN: (["What can you do", "What can you do for me", "How can you help me", "What are you able to do", "Can you help me", "What can I ask you", "What do you know", "Help", "What are you good at",
           "Hi, what can you do", "Hello, what can you do", "Tell me what you can do", "What tasks can you do", "What questions can you answer"],
          "The user asks what I can do.",
          "I can add, subtract, multiply and compare numbers, sort a short list, and count or reverse the letters of a word."),
    THANKS: (["Thanks", "Thank you", "Thank you very much", "Thanks a lot", "Many thanks", "Great, thanks", "Great, thank you", "Good job", "Well done", "That is right, thank you", "Thank you for your help"],
             "The user says thanks.", "You are welcome!"),
    BYE: (["Bye", "Goodbye", "Good night", "See you", "See you later", "Bye bye", "Have a nice day", "Thanks, bye", "I have to go"],
          "The user says goodbye.", "Goodbye! Have a nice day."),
}
OTHER = ["What is the capital of {x}?", "Who wrote {x}?", "Tell me about {x}.", "Write a poem about {x}.", "Write a story about {x}.", "Where is {x}?", "When was {x} born?", "What is {x}?",
         "Who is {x}?", "What do you think about {x}?", "Translate {x}.", "How do I cook {x}?", "Explain {x}.", "What is the weather in {x}?", "Do you like {x}?", "Tell me a joke about {x}.",
         "What color is {x}?", "Why is {x} so old?", "How old is {x}?", "Can you draw {x}?"]
OTHER_STEPS, OTHER_ANSWER = "This is not one of my tasks.", "I do not know that. I can work with numbers, short lists and the letters of a word."
SYSTEM = ["You are a helpful assistant.", "You are a helpful assistant.", "Answer the question.", "You are Conclave Mini.", "Think in steps.", "Be brief.", "You are a helpful assistant. Think in steps before you answer."]
