export default {
  title: "First steps",
  about: "From here to the first successful call.",
};
