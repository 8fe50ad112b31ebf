export default {
  title: "API keys",
  about: "The keys that your programs use, with their limits.",
};
